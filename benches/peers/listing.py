"""The peer of `listing.py`: the same page of videos by FastAPI and SQLite, as one writes it.

The token is an Ed25519-signed JWT whose issuer, audience and end are checked; the account is looked up; the rows come by
an index and are decoded; the answer has an entity tag.
"""

import base64
import hashlib
import json
import os
import sqlite3

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response

seed = os.environ["SIGNING_KEY"]
key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4))).public_key()
app = FastAPI()
database = sqlite3.connect(os.environ["DATABASE"], check_same_thread=False)
PAGE = "select position, record from videos where owner = ? and position < ? order by position desc limit ?"


async def caller(authorization: str = Header()) -> str:
    """The user that a token names."""
    scheme, _, token = authorization.partition(" ")
    try:
        claims = jwt.decode(token, key, algorithms=["EdDSA"], issuer="framelift", audience="framelift-api")
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error)) from error
    account = database.execute("select closed from users where id = ?", (claims["sub"],)).fetchone()
    if scheme.lower() != "bearer" or account is None or account[0]:
        raise HTTPException(401, "no such account")
    return claims["sub"]


@app.get("/videos")
async def videos(
    request: Request,
    user: str = Depends(caller),
    limit: int = Query(20, ge=1, le=100),
    cursor: int = Query(1 << 62),
):
    """A page of the caller's videos, newest first."""
    rows = database.execute(PAGE, (user, cursor, limit)).fetchall()
    page = {"items": [json.loads(record) for _, record in rows]}
    if rows and rows[-1][0] > 0:
        page["next_cursor"] = str(rows[-1][0])
    body = json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
