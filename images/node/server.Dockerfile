# One MCP server from npm, at one exact version, on the Node.js base. Its command becomes /opt/mcp/run.
ARG BASE
FROM ${BASE}
# They reach the shell as quoted variables only, so nothing in them is ever read as shell syntax.
ARG NAME
ARG VERSION
USER 0
RUN --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    --mount=type=cache,target=/root/.npm \
    if [ -s /run/secrets/ca_bundle ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; fi \
 && mkdir -p /opt/mcp \
 && npm install --cache=/root/.npm --prefix=/opt/mcp --ignore-scripts --omit=dev --no-audit --no-fund --no-update-notifier \
      --no-package-lock -- "${NAME}@${VERSION}" \
 && node /usr/local/lib/agentopia/link_command.cjs "${NAME}" /opt/mcp /opt/mcp/run
USER 10001:10001
