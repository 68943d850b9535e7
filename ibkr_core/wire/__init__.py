"""The TWS wire protocol as pure functions: frames, the handshake, text layouts as tables, protobuf messages.

``codec`` turns the body of a frame into a `ibkr_core.wire.message.Message` and back, at every server version
from 142 to 226; ``framing`` and ``handshake`` are what stands around the bodies.
"""
