# syntax=docker/dockerfile:1
# The product with the versions of constraints.txt. Every dependency comes as a wheel, or is Python only: nothing compiles,
# and what built the product's own wheel stays behind in the first.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/photochanger
# The dependencies change seldom, so they are a layer of their own.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" >wanted.txt && \
    /opt/photochanger/bin/pip install --no-cache-dir --only-binary :all: --no-binary pyvips -c constraints.txt -r wanted.txt
COPY README.md LICENSE ./
COPY migrations migrations
COPY static static
COPY templates templates
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir wheels . && \
    /opt/photochanger/bin/pip install --no-cache-dir --no-deps wheels/*.whl && \
    /opt/photochanger/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
# A fixed number, so that a volume's owner is the same after every build.
RUN groupadd --gid 10001 photochanger && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin photochanger && \
    install --directory --mode=700 --owner=10001 --group=10001 /data
COPY --from=build /opt/photochanger /opt/photochanger
ENV PATH=/opt/photochanger/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PHOTOCHANGER_DATA_DIR=/data \
    CREDENTIALS_DIRECTORY=/run/secrets \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Alive, not well: a database that is away is no reason to replace this container. /healthz says how it is.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["photochanger"]
CMD ["serve", "--host", "0.0.0.0"]
