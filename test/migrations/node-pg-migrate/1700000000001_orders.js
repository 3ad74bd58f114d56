/** Changes what the first migration made: only an owner may. */
export const up = (pgm) => {
  pgm.renameColumn('products', 'name', 'title')
  pgm.alterColumn('products', 'title', { type: 'text' })
  pgm.addTypeValue('kind', 'sold', { ifNotExists: true })
  pgm.createFunction(
    'shout',
    [],
    { returns: 'trigger', language: 'plpgsql', replace: true },
    'BEGIN NEW.title := upper(NEW.title); RETURN NEW; END',
  )
  pgm.createTable('orders', { id: 'id', product_id: { type: 'int', references: 'products' } })
  pgm.createMaterializedView('totals', {}, 'SELECT count(*) AS n FROM orders')
}

export const down = (pgm) => {
  pgm.dropMaterializedView('totals')
  pgm.dropTable('orders')
  pgm.renameColumn('products', 'title', 'name')
}
