CREATE TABLE "orders" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "orders_id_seq"),
	"product_id" integer
);
--> statement-breakpoint
ALTER TABLE "products" RENAME COLUMN "name" TO "title";--> statement-breakpoint
ALTER TABLE "products" ALTER COLUMN "title" SET DATA TYPE text;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_product_id_products_id_fk" FOREIGN KEY ("product_id") REFERENCES "public"."products"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "products_title" ON "products" USING btree ("title");
