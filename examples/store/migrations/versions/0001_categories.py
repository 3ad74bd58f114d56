"""categories"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    categories = op.create_table(
        "categories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )
    op.bulk_insert(
        categories,
        [{"name": name} for name in ("Coffee", "Tea", "Brewing", "Cups")],
    )


def downgrade() -> None:
    op.drop_table("categories")
