"""Products, with a type and a sequence."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("kind", sa.Enum("raw", "made", name="kind"), nullable=False),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True)),
    )
    op.create_index("products_name", "products", ["name"], unique=True)
    op.execute("CREATE SCHEMA reporting")
    op.execute("CREATE VIEW reporting.names AS SELECT name FROM products")
    op.bulk_insert(
        sa.table("products", sa.column("name"), sa.column("kind", sa.Enum(name="kind"))),
        [{"name": "tea", "kind": "raw"}],
    )


def downgrade():
    op.execute("DROP VIEW reporting.names")
    op.execute("DROP SCHEMA reporting")
    op.drop_index("products_name", "products")
    op.drop_table("products")
    op.execute("DROP TYPE kind")
