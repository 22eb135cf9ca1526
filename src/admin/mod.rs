//! The admin port: health, metrics, API and dashboard.
