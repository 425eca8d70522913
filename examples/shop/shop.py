"""A small shop on monoq: an order is charged, then its receipt is mailed and the warehouse called;
at the end of the day there is a report.

Each step is a job that submits the next ones, with an idempotency key made of the order. So a step
that is run twice, because its worker was killed, submits the same jobs once.
"""

import csv
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
from pydantic import BaseModel, Field

import monoq

MONOQ_URL = os.environ.get("MONOQ_URL", "http://127.0.0.1:8000")
WAREHOUSE_URL = os.environ.get("WAREHOUSE_URL", "https://warehouse.example.com/shipments")
REPORTS = Path(os.environ.get("MONOQ_FILES_DIR", "reports"))
DATABASE = os.environ.get("SHOP_DATABASE", "shop.db")
TENANT = "shop"

app = monoq.App()
http = httpx.Client(base_url=MONOQ_URL, timeout=10, trust_env=False)  # threads may share one


class Order(BaseModel):
    """What a customer orders."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    email: str
    item: str = Field(max_length=100)
    cents: int = Field(gt=0)


class Report(BaseModel):
    """Which report: its name is that of the file."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")


@app.handler("shop.order")
def order(order: Order) -> None:
    """An order came in."""
    with closing(database()) as db, db:
        db.execute(
            "INSERT INTO orders (id, email, item, cents) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (order.id, order.email, order.item, order.cents),
        )
    submit("shop.charge", order.model_dump(), key=f"charge:{order.id}")


@app.handler("shop.charge", max_attempts=5)
def charge(order: Order) -> dict[str, str]:
    """Charges an order once, however often it runs, and then tells the customer and the warehouse.

    A plain `def`, as payment libraries mostly are: it runs in a thread.
    """
    with closing(database()) as db, db:
        # A payment provider takes the order's id as its idempotency key; here it is a primary key.
        db.execute(
            "INSERT INTO payments (order_id, cents) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (order.id, order.cents),
        )
    receipt = submit(
        "email",
        {
            "to": [order.email],
            "subject": f"Receipt for order {order.id}",
            "text": f"Thank you. We charged {order.cents / 100:.2f} EUR for: {order.item}.\n",
            "headers": {"X-Order": order.id},
        },
        key=f"receipt:{order.id}",
    )
    shipment = submit(
        "webhook",
        {"url": WAREHOUSE_URL, "body": {"order": order.id, "item": order.item}},
        key=f"shipment:{order.id}",
    )
    return {"receipt": receipt, "shipment": shipment}


@app.handler("shop.report")
def report(report: Report) -> dict[str, str]:
    """Writes all payments into a CSV, and has it profiled."""
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{report.name}.csv"
    with closing(database()) as db, path.with_suffix(".new").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["order", "item", "cents"])
        rows.writerows(
            db.execute(
                "SELECT orders.id, item, payments.cents FROM payments"
                " JOIN orders ON orders.id = order_id ORDER BY orders.id"
            )
        )
    path.with_suffix(".new").rename(path)  # whole, or not there
    profile = submit("csv_profile", {"path": path.name}, key=f"profile:{report.name}")
    return {"profile": profile}


def submit(job_type: str, payload: dict[str, object], *, key: str) -> str:
    """Submits a job to monoq; with the same key again, it is the same job. Returns its id."""
    job = {"tenantId": TENANT, "type": job_type, "payload": payload, "idempotencyKey": key}
    answer = http.post("/jobs", json=job)
    answer.raise_for_status()
    return str(answer.json()["jobId"])


def database() -> sqlite3.Connection:
    """The shop's own database."""
    db = sqlite3.connect(DATABASE, timeout=30)
    db.executescript(
        """
        PRAGMA journal_mode = WAL;
        CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, email TEXT, item TEXT, cents INT);
        CREATE TABLE IF NOT EXISTS payments (order_id TEXT PRIMARY KEY, cents INT);
        """
    )
    return db
