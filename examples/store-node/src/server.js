/** `npm start`: the store's JSON on port 9002, or on PORT. */
import { createServer } from 'node:http'
import { openDatabase } from './database.js'

const { pool, db } = await openDatabase()
const withParts = { with: { category: true, inventory: true } }

const render = (product) => ({
  id: product.id,
  name: product.name,
  description: product.description,
  category: product.category.name,
  price: product.price,
  stock: product.inventory?.stock ?? 0,
})

async function answer(path) {
  if (path === '/health') {
    await pool.query('select 1')
    return [200, { status: 'ok' }]
  }
  if (path === '/api/products') {
    const found = await db.query.products.findMany({
      ...withParts,
      orderBy: (table, { asc }) => asc(table.id),
    })
    return [200, found.map(render)]
  }
  const id = /^\/api\/products\/(\d{1,9})$/.exec(path)?.[1]
  if (id !== undefined) {
    const product = await db.query.products.findFirst({
      ...withParts,
      where: (table, { eq }) => eq(table.id, Number(id)),
    })
    return product === undefined ? [404, { detail: `no product ${id}` }] : [200, render(product)]
  }
  return [404, { detail: 'not found' }]
}

async function handle(request, response) {
  const { pathname } = new URL(request.url, 'http://store')
  const [status, body] = await answer(pathname).catch((error) => [
    503,
    { detail: `database: ${error.cause?.message ?? error.message}` },
  ])
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const server = createServer((request, response) => void handle(request, response))
server.listen(Number(process.env.PORT ?? 9002), '127.0.0.1')

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => pool.end())
    server.closeIdleConnections()
  })
}
