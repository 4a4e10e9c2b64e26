# One image for the exporter, the bridge and the sample service; its command is `remedy`.
FROM python:3.13.16-slim-trixie AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/remedy
COPY requirements-image.lock ./
RUN pip --python /opt/remedy/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY exporters exporters
COPY remedy remedy
COPY monitoring monitoring
COPY deploy/systemd deploy/systemd
# What builds it stays behind.
RUN pip --python /opt/remedy/bin/python install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && pip --python /opt/remedy/bin/python uninstall --yes --quiet hatchling pathspec pluggy trove-classifiers

FROM python:3.13.16-slim-trixie
# New volumes take owner and mode from the folder of the image that they are mounted over.
RUN groupadd --gid 10001 remedy \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/remedy --no-create-home --shell /usr/sbin/nologin remedy \
    && install -d -o remedy -g remedy -m 0750 /var/lib/remedy /etc/remedy/secrets \
    && install -d -o remedy -g remedy /srv/sample
COPY --from=build /opt/remedy /opt/remedy
ENV PATH=/opt/remedy/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/remedy
EXPOSE 9095 9195
ENTRYPOINT ["remedy"]
CMD ["--help"]
