//! What was typed (Traefik's flags, environment, YAML or TOML) and what it means.
