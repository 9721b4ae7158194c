// Writes the OpenAPI document to standard output: `node api/openapi-cli.ts > docs/openapi.json`.

import packageJson from '../package.json' with { type: 'json' }
import { openApiDocument } from './openapi.ts'

process.stdout.write(`${JSON.stringify(openApiDocument(packageJson.version), null, 2)}\n`)
