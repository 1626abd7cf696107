# One self-contained C# MCP server from PyPI, at one exact version. Its program becomes /opt/mcp/run.
#
# FETCH is the Python base, which has uv. Only the program of the package is taken: what Python may need beside it is left out.
ARG BASE
ARG FETCH
FROM ${FETCH} AS fetch
# They reach the shell as quoted variables only, so nothing in them is ever read as shell syntax.
ARG NAME
ARG VERSION
USER 0
COPY find_program.py /usr/local/lib/agentopia/
RUN --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    --mount=type=cache,target=/root/.cache/uv \
    if [ -s /run/secrets/ca_bundle ]; then export SSL_CERT_FILE=/run/secrets/ca_bundle; fi \
 && uv pip install --link-mode=copy --no-deps --target /fetch -- "${NAME}==${VERSION}" \
 && python3 /usr/local/lib/agentopia/find_program.py "${NAME}" /fetch /out/mcp

FROM ${BASE}
COPY --from=fetch /out/mcp /opt/mcp
