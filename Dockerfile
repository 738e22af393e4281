# One image for Airflow's processes, workers and MLflow: same lock file, same code, non-root.
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 git \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home desk && mkdir -p /state /data && chown desk:desk /state /data
WORKDIR /app
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project --compile-bytecode --group team
COPY . .
RUN uv sync --frozen --no-dev --compile-bytecode --group team && chown -R desk:desk /app/transforms
ENV PATH=/app/.venv/bin:$PATH AIRFLOW_HOME=/state/airflow
USER 10001
CMD ["desk", "doctor"]
