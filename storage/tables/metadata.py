"""What every declared table belongs to, and the shapes that many columns have."""

from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

ID = Uuid(as_uuid=False)
"""A UUID, as the canonical text that the rest of the program uses."""

TEXTS = ARRAY(Text)
MOMENT = DateTime(timezone=True)


def account_id(table: str) -> Column[Any]:
    """Declare the tenant: what an account has goes when the account goes."""
    owner = ForeignKey("accounts.id", name=f"{table}_account_fkey", ondelete="CASCADE")
    return Column("account_id", ID, owner, nullable=False)
