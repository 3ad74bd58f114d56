"""inventory"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STOCK = {
    "Harbour Espresso": 120,
    "Morning Filter": 80,
    "Night Shift Decaf": 35,
    "Green Beans Sampler": 12,
    "Breakfast Leaf": 200,
    "Smoked Pine": 44,
    "Garden Mint": 150,
    "Pour-over Cone": 25,
    "Gooseneck Kettle": 9,
    "Hand Grinder": 0,
    "Paper Filters": 500,
    "Stoneware Mug": 60,
    "Espresso Pair": 30,
}


def upgrade() -> None:
    inventory = op.create_table(
        "inventory",
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), primary_key=True),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.CheckConstraint("stock >= 0", name="inventory_stock_check"),
    )
    products = sa.table("products", sa.column("id"), sa.column("name"))
    for name, stock in STOCK.items():
        op.execute(
            inventory.insert().values(
                product_id=sa.select(products.c.id)
                .where(products.c.name == name)
                .scalar_subquery(),
                stock=stock,
            )
        )


def downgrade() -> None:
    op.drop_table("inventory")
