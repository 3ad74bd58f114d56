CREATE TYPE kind AS ENUM ('raw', 'made');
CREATE TABLE products (id serial PRIMARY KEY, name varchar(80) NOT NULL, kind kind);
CREATE VIEW names AS SELECT name FROM products;
INSERT INTO products (name, kind) VALUES ('tea', 'raw');
