CREATE TABLE "products" (
	"id" serial PRIMARY KEY NOT NULL,
	"category_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"price" numeric(10, 2) NOT NULL,
	CONSTRAINT "products_name_unique" UNIQUE("name")
);
--> statement-breakpoint
ALTER TABLE "products" ADD CONSTRAINT "products_category_id_categories_id_fk" FOREIGN KEY ("category_id") REFERENCES "public"."categories"("id");
--> statement-breakpoint
CREATE INDEX "ix_products_category_id" ON "products" USING btree ("category_id");
--> statement-breakpoint
INSERT INTO "products" ("category_id", "name", "description", "price")
SELECT "categories"."id", "seed"."name", "seed"."description", "seed"."price"
FROM (VALUES
	(1, 'Coffee', 'Harbour Espresso', 'Dark roast, cocoa and walnut', 14.50),
	(2, 'Coffee', 'Morning Filter', 'Light roast, apricot and honey', 13.00),
	(3, 'Coffee', 'Night Shift Decaf', 'Medium roast, without the caffeine', 12.80),
	(4, 'Coffee', 'Green Beans Sampler', 'Three origins to roast at home', 21.00),
	(5, 'Tea', 'Breakfast Leaf', 'Strong black tea, takes milk well', 7.90),
	(6, 'Tea', 'Smoked Pine', 'Black tea dried over pine wood', 9.40),
	(7, 'Tea', 'Garden Mint', 'Peppermint from one field, no tea', 5.60),
	(8, 'Brewing', 'Pour-over Cone', 'Porcelain, for one or two cups', 18.00),
	(9, 'Brewing', 'Gooseneck Kettle', '0.9 litres, with a thermometer', 64.00),
	(10, 'Brewing', 'Hand Grinder', 'Steel burrs, 30 grams', 79.00),
	(11, 'Brewing', 'Paper Filters', 'One hundred, unbleached', 4.20),
	(12, 'Cups', 'Stoneware Mug', '350 ml, dishwasher safe', 11.00),
	(13, 'Cups', 'Espresso Pair', 'Two double-walled glasses, 80 ml', 16.50)
) AS "seed" ("position", "category", "name", "description", "price")
JOIN "categories" ON "categories"."name" = "seed"."category"
ORDER BY "seed"."position";
