CREATE TABLE "inventory" (
	"product_id" integer PRIMARY KEY NOT NULL,
	"stock" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "inventory" ADD CONSTRAINT "inventory_product_id_products_id_fk" FOREIGN KEY ("product_id") REFERENCES "public"."products"("id");
--> statement-breakpoint
INSERT INTO "inventory" ("product_id", "stock")
SELECT "products"."id", "seed"."stock"
FROM (VALUES
	('Harbour Espresso', 120), ('Morning Filter', 80), ('Night Shift Decaf', 35),
	('Green Beans Sampler', 12), ('Breakfast Leaf', 200), ('Smoked Pine', 44), ('Garden Mint', 150),
	('Pour-over Cone', 25), ('Gooseneck Kettle', 9), ('Hand Grinder', 0), ('Paper Filters', 500),
	('Stoneware Mug', 60), ('Espresso Pair', 30)
) AS "seed" ("name", "stock")
JOIN "products" ON "products"."name" = "seed"."name";
