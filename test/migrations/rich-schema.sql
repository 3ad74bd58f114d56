-- A database with one of nearly everything that pg_dump writes.
CREATE EXTENSION citext;
CREATE EXTENSION databricks_auth;
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'glad');
CREATE TYPE app.pair AS (a int, b text);
CREATE TYPE app.span AS RANGE (SUBTYPE = float8);
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE COLLATION app.plain FROM "C";
CREATE TEXT SEARCH DICTIONARY app.dict (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION app.conf (COPY = simple);
CREATE FUNCTION app.shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(t) $$;
CREATE PROCEDURE app.nothing() LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = 0);
CREATE FUNCTION app.eq(app.pair, int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).a = $2 $$;
CREATE OPERATOR app.=== (LEFTARG = app.pair, RIGHTARG = int, FUNCTION = app.eq);
CREATE TABLE products (
  id serial PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY,
  name citext NOT NULL UNIQUE,
  mood app.mood DEFAULT 'glad',
  size app.positive,
  loud text GENERATED ALWAYS AS (app.shout('x')) STORED
);
CREATE TABLE app.orders (id int, product_id int REFERENCES products ON DELETE CASCADE, at date NOT NULL)
  PARTITION BY RANGE (at);
CREATE TABLE app.orders_2026 PARTITION OF app.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE SEQUENCE app.counter;
CREATE VIEW app.names AS SELECT name FROM products;
CREATE MATERIALIZED VIEW app.counts AS SELECT count(*) AS n FROM products;
CREATE INDEX products_lower ON products (lower(name::text));
CREATE STATISTICS app.stats ON id, number FROM products;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON products USING (true);
CREATE RULE no_delete AS ON DELETE TO app.orders DO INSTEAD NOTHING;
CREATE PUBLICATION pub FOR TABLE products;
COMMENT ON TABLE products IS 'what we sell';
GRANT SELECT ON products TO pg_monitor;
INSERT INTO products (name, size) VALUES ('tea', 1), ('milk', 2);
INSERT INTO app.orders VALUES (1, 1, '2026-05-05');
