# One image for everything: `docker run chronos worker --function transcribe-video`, `… worker --projection`, `… serve`.
# The packages are the lock's, each checked by its hash. Models and the embedded stack are not in it: an image works with
# a provider, a broker and a database that the environment names.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
COPY requirements-uv.lock requirements.lock pyproject.toml README.md ./
RUN pip install -q --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-uv.lock \
    && uv venv -q /opt/chronos \
    && uv pip install -q --python /opt/chronos --constraints requirements.lock -r pyproject.toml \
    && uv venv -q /opt/hatch \
    && uv pip install -q --python /opt/hatch --constraints requirements.lock hatchling
COPY schemas schemas
COPY streams streams
COPY agents agents
COPY projections projections
COPY chronos chronos
RUN uv build -q --wheel --no-build-isolation --python /opt/hatch --out-dir dist \
    && uv pip install -q --python /opt/chronos --no-deps --compile-bytecode dist/*.whl

FROM python:3.11.14-slim-bookworm
RUN pip uninstall -q -y --root-user-action=ignore setuptools wheel pip \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/chronos chronos \
    && install -d -o chronos -g chronos /var/lib/chronos
COPY --from=build /opt/chronos /opt/chronos
ENV PATH=/opt/chronos/bin:$PATH PYTHONUNBUFFERED=1 CHRONOS_HOME=/var/lib/chronos CHRONOS_LOG=json
USER 10001:10001
WORKDIR /var/lib/chronos
VOLUME /var/lib/chronos
EXPOSE 8288 9464
# A SIGTERM has a worker give its work back within CHRONOS_DRAIN (20 s): give it 30 s (`docker stop -t 30`).
STOPSIGNAL SIGTERM
ENTRYPOINT ["chronos"]
CMD ["--help"]
