"""How participants behave: costs behind offers, habits of pricing, the reward behind schedules of stores. Pure: no I/O, no clock."""
