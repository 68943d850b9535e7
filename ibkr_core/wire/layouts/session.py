"""The session itself: starting, ids, clocks, log level, verification (wire facts 3, 6 and 8)."""

from collections.abc import Mapping

from ibkr_core.wire.layout import Const, Layout, escaped, pymaxed, zero

__all__ = ["ANSWERS", "REQUESTS"]

REQUESTS: Mapping[str, Layout] = {
    "startApi": Layout("StartApiRequest", (Const("2"), pymaxed("clientId optionalCapabilities"))),
    "reqIds": Layout("IdsRequest", (Const("1"), zero("numIds"))),
    "reqManagedAccts": Layout("ManagedAccountsRequest", (Const("1"),)),
    "reqCurrentTime": Layout("CurrentTimeRequest", (Const("1"),)),
    "reqCurrentTimeInMillis": Layout("CurrentTimeInMillisRequest", ()),
    "setServerLogLevel": Layout("SetServerLogLevelRequest", (Const("1"), zero("logLevel"))),
    "verifyRequest": Layout("VerifyRequest", (Const("1"), zero("apiName apiVersion"))),
    "verifyMessage": Layout("VerifyMessageRequest", (Const("1"), zero("apiData"))),
    "verifyAndAuthRequest": Layout(
        "VerifyAndAuthRequest", (Const("1"), zero("apiName apiVersion opaqueIsvKey"))
    ),
    "verifyAndAuthMessage": Layout("VerifyAndAuthMessage", (Const("1"), zero("apiData xyzResponse"))),
    "reqUserInfo": Layout("UserInfoRequest", (zero("reqId"),)),
}

ANSWERS: Mapping[str, Layout] = {
    "nextValidId": Layout("NextValidId", (Const("1"), zero("orderId"))),
    "managedAccounts": Layout("ManagedAccounts", (Const("1"), *escaped("accountsList"))),
    "currentTime": Layout("CurrentTime", (Const("1"), zero("currentTime"))),
    "currentTimeInMillis": Layout("CurrentTimeInMillis", (zero("currentTimeInMillis"),)),
    "verifyMessageAPI": Layout("VerifyMessageApi", (Const("1"), *escaped("apiData"))),
    "verifyAndAuthMessageAPI": Layout(
        "VerifyAndAuthMessageApi", (Const("1"), *escaped("apiData xyzChallenge"))
    ),
    "userInfo": Layout("UserInfo", (zero("reqId whiteBrandingId"),)),
}
