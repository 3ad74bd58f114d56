CREATE TYPE "public"."kind" AS ENUM('raw', 'made');--> statement-breakpoint
CREATE TABLE "products" (
	"id" serial PRIMARY KEY NOT NULL,
	"name" varchar(80) NOT NULL,
	"kind" "kind" NOT NULL
);
--> statement-breakpoint
INSERT INTO "products" ("name", "kind") VALUES ('tea', 'raw');
