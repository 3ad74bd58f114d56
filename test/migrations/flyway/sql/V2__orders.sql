DROP VIEW names;
ALTER TABLE products RENAME COLUMN name TO title;
ALTER TYPE kind RENAME VALUE 'made' TO 'sold';
CREATE TABLE orders (id serial PRIMARY KEY, product_id int REFERENCES products);
