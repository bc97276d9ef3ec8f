"""Orders, from the basket to the parcel."""
