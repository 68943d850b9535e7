"""The pure order core: facts and commands in, state and effects out. No I/O, no clock, no lock."""
