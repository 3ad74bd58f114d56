BEGIN;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA shop;
CREATE TABLE shop.products (id serial PRIMARY KEY, name citext UNIQUE, made date NOT NULL DEFAULT '2026-01-01')
  ;
CREATE TABLE shop.events (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_2026 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FUNCTION shop.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE MATERIALIZED VIEW shop.loud AS SELECT shop.shout(name::text) AS name FROM shop.products;
INSERT INTO shop.products (name) VALUES ('tea');
COMMIT;
CREATE INDEX CONCURRENTLY products_made ON shop.products (made);
