# The program without anything that only its tests need.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim
COPY requirements-image.lock /tmp/
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements-image.lock \
    && pip install --no-cache-dir --no-deps /tmp/wheels/*.whl \
    && rm -r /tmp/wheels /tmp/requirements-image.lock \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin firstline
USER 10001
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FIRSTLINE_ALIVE_FILE=/tmp/firstline-alive
# The worker touches the file each second for as long as it polls Kafka.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, sys, time; sys.exit(time.time() - os.stat('/tmp/firstline-alive').st_mtime > 30)"]
ENTRYPOINT ["firstline"]
CMD ["worker"]
