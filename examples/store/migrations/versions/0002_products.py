"""products"""

from decimal import Decimal

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# category, name, description, price
PRODUCTS = [
    ("Coffee", "Harbour Espresso", "Dark roast, cocoa and walnut", "14.50"),
    ("Coffee", "Morning Filter", "Light roast, apricot and honey", "13.00"),
    ("Coffee", "Night Shift Decaf", "Medium roast, without the caffeine", "12.80"),
    ("Coffee", "Green Beans Sampler", "Three origins to roast at home", "21.00"),
    ("Tea", "Breakfast Leaf", "Strong black tea, takes milk well", "7.90"),
    ("Tea", "Smoked Pine", "Black tea dried over pine wood", "9.40"),
    ("Tea", "Garden Mint", "Peppermint from one field, no tea", "5.60"),
    ("Brewing", "Pour-over Cone", "Porcelain, for one or two cups", "18.00"),
    ("Brewing", "Gooseneck Kettle", "0.9 litres, with a thermometer", "64.00"),
    ("Brewing", "Hand Grinder", "Steel burrs, 30 grams", "79.00"),
    ("Brewing", "Paper Filters", "One hundred, unbleached", "4.20"),
    ("Cups", "Stoneware Mug", "350 ml, dishwasher safe", "11.00"),
    ("Cups", "Espresso Pair", "Two double-walled glasses, 80 ml", "16.50"),
]


def upgrade() -> None:
    products = op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("category_id", sa.Integer, sa.ForeignKey("categories.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.CheckConstraint("price >= 0", name="products_price_check"),
    )
    op.create_index("ix_products_category_id", "products", ["category_id"])
    categories = sa.table("categories", sa.column("id"), sa.column("name"))
    for category, name, description, price in PRODUCTS:
        op.execute(
            products.insert().values(
                category_id=sa.select(categories.c.id)
                .where(categories.c.name == category)
                .scalar_subquery(),
                name=name,
                description=description,
                price=Decimal(price),
            )
        )


def downgrade() -> None:
    op.drop_table("products")
