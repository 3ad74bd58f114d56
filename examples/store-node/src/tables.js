/** The tables as the app sees them; `migrations/` makes them. */
import { relations } from 'drizzle-orm'
import { index, integer, numeric, pgTable, serial, text } from 'drizzle-orm/pg-core'

export const categories = pgTable('categories', {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
})

export const products = pgTable(
  'products',
  {
    id: serial().primaryKey(),
    categoryId: integer('category_id')
      .notNull()
      .references(() => categories.id),
    name: text().notNull().unique(),
    description: text().notNull(),
    price: numeric({ precision: 10, scale: 2 }).notNull(),
  },
  (table) => [index('ix_products_category_id').on(table.categoryId)],
)

export const inventory = pgTable('inventory', {
  productId: integer('product_id')
    .primaryKey()
    .references(() => products.id),
  stock: integer().notNull(),
})

export const productRelations = relations(products, ({ one }) => ({
  category: one(categories, { fields: [products.categoryId], references: [categories.id] }),
  inventory: one(inventory, { fields: [products.id], references: [inventory.productId] }),
}))
