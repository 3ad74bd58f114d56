"""Changes what 0001 made: only an owner may."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("DROP VIEW reporting.names")
    op.add_column("products", sa.Column("price", sa.Numeric(10, 2), server_default="0"))
    op.alter_column("products", "name", type_=sa.Text(), new_column_name="title")
    op.create_check_constraint("price_positive", "products", "price >= 0")
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", ondelete="CASCADE")),
    )
    op.execute("CREATE OR REPLACE VIEW reporting.titles AS SELECT title FROM products")
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE kind ADD VALUE 'sold'")
        op.create_index(
            "products_price", "products", ["price"], postgresql_concurrently=True
        )


def downgrade():
    op.execute("DROP VIEW reporting.titles")
    with op.get_context().autocommit_block():
        op.drop_index("products_price", "products", postgresql_concurrently=True)
    op.drop_table("orders")
    op.drop_constraint("price_positive", "products")
    op.alter_column("products", "title", type_=sa.String(80), new_column_name="name")
    op.drop_column("products", "price")
    op.execute("CREATE VIEW reporting.names AS SELECT name FROM products")
