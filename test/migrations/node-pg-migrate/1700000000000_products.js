/** Products, with a type and a trigger function. */
export const up = (pgm) => {
  pgm.createType('kind', ['raw', 'made'])
  pgm.createTable('products', {
    id: 'id',
    name: { type: 'varchar(80)', notNull: true },
    kind: 'kind',
  })
  pgm.createFunction(
    'shout',
    [],
    { returns: 'trigger', language: 'plpgsql', replace: true },
    'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END',
  )
  pgm.createTrigger('products', 'shout_name', {
    when: 'BEFORE',
    operation: 'INSERT',
    level: 'ROW',
    function: 'shout',
  })
  pgm.sql("INSERT INTO products (name, kind) VALUES ('tea', 'raw')")
}

export const down = (pgm) => {
  pgm.dropTrigger('products', 'shout_name')
  pgm.dropFunction('shout', [])
  pgm.dropTable('products')
  pgm.dropType('kind')
}
