# One static program and nothing else: no shell, no package manager, no files to keep patched.
# deploy/image.sh puts the program beside this file and builds it.
FROM scratch
LABEL org.opencontainers.image.title="adit" \
      org.opencontainers.image.description="A Traefik-style Kubernetes ingress controller" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY adit /adit
# No USER: manifests written for Traefik bind port 80 as the image's default user. deploy/ runs it as 65532.
EXPOSE 80 443 8000 8443 8080
ENTRYPOINT ["/adit"]
