# One MCP server from PyPI, at one exact version, on the Python base. Its command becomes /opt/mcp/run.
ARG BASE
FROM ${BASE}
# NAME and VERSION are one requirement, REQUIRES are further ones separated by spaces. They reach the shell as
# variables only, so nothing in them is ever read as shell syntax; `set -f` keeps `*` literal where they are split.
ARG NAME
ARG VERSION
ARG REQUIRES=
USER 0
RUN --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    --mount=type=cache,target=/root/.cache/uv \
    if [ -s /run/secrets/ca_bundle ]; then export SSL_CERT_FILE=/run/secrets/ca_bundle; fi \
 && set -f \
 && uv pip install --link-mode=copy --compile-bytecode -- "${NAME}==${VERSION}" ${REQUIRES} \
 && python /usr/local/lib/agentopia/link_command.py "${NAME}" /opt/mcp/run
USER 10001:10001
