"""The HTTP routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import joinedload

from store.database import make_engine
from store.tables import Product


class ProductOut(BaseModel):
    id: int
    name: str
    description: str
    category: str
    price: Decimal
    stock: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.engine = make_engine()
    yield
    await app.state.engine.dispose()


app = FastAPI(title="store", lifespan=lifespan)


def engine_of(request: Request) -> AsyncEngine:
    return request.app.state.engine


def render(product: Product) -> ProductOut:
    return ProductOut(
        id=product.id,
        name=product.name,
        description=product.description,
        category=product.category.name,
        price=product.price,
        stock=product.inventory.stock if product.inventory else 0,
    )


WITH_PARTS = (joinedload(Product.category), joinedload(Product.inventory))


@app.get("/health")
async def health(request: Request) -> dict[str, str]:
    async with engine_of(request).connect() as connection:
        await connection.execute(text("select 1"))
    return {"status": "ok"}


@app.get("/api/products")
async def list_products(request: Request) -> list[ProductOut]:
    async with AsyncSession(engine_of(request)) as session:
        products = await session.scalars(select(Product).options(*WITH_PARTS).order_by(Product.id))
        return [render(product) for product in products]


@app.get("/api/products/{product_id}")
async def get_product(request: Request, product_id: int) -> ProductOut:
    async with AsyncSession(engine_of(request)) as session:
        product = await session.get(Product, product_id, options=WITH_PARTS)
        if product is None:
            raise HTTPException(404, f"no product {product_id}")
        return render(product)


@app.exception_handler(SQLAlchemyError)
async def database_failed(_request: Request, error: SQLAlchemyError) -> JSONResponse:
    """The database's own words: they say whether to migrate, refresh the credential or wait."""
    reason = str(getattr(error, "orig", None) or error).strip()
    return JSONResponse({"detail": f"database: {reason}"}, status_code=503)
