"""Operations and timers from their claim to the delivery of their completion."""
