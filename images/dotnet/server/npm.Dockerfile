# One self-contained C# MCP server from npm, at one exact version. Its program becomes /opt/mcp/run.
#
# FETCH is the Node.js base: npm alone knows which of a package's platform packages this machine needs.
ARG BASE
ARG FETCH
FROM ${FETCH} AS fetch
# They reach the shell as quoted variables only, so nothing in them is ever read as shell syntax.
ARG NAME
ARG VERSION
USER 0
COPY find_program.cjs /usr/local/lib/agentopia/
RUN --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    --mount=type=cache,target=/root/.npm \
    if [ -s /run/secrets/ca_bundle ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; fi \
 && npm install --cache=/root/.npm --prefix=/fetch --ignore-scripts --omit=dev --no-audit --no-fund --no-update-notifier \
      --no-package-lock -- "${NAME}@${VERSION}" \
 && node /usr/local/lib/agentopia/find_program.cjs "${NAME}" /fetch/node_modules /out/mcp

FROM ${BASE}
COPY --from=fetch /out/mcp /opt/mcp
