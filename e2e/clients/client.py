"""The main job by the Python client that openapi-python-client makes: `client.py API EMAIL PASSWORD VIDEO`."""

import pathlib
import sys
import time
import urllib.request

from framelift_client import AuthenticatedClient, Client
from framelift_client.api.accounts import login, register
from framelift_client.api.videos import complete_upload, create_video, get_video
from framelift_client.models import (
    CreateVideoRequest,
    LoginRequest,
    OptionsBody,
    Problem,
    PutUpload,
    RegisterRequest,
    SelectBody,
    Status,
)

api, email, password, path = sys.argv[1:]
video = pathlib.Path(path).read_bytes()

anybody = Client(base_url=api)
account = register.sync(client=anybody, body=RegisterRequest(name="Ada", email=email, password=password))
assert account.email == email, account
tokens = login.sync(client=anybody, body=LoginRequest(email=email, password=password))
ada = AuthenticatedClient(base_url=api, token=tokens.access_token)

refused = create_video.sync(client=ada, body=CreateVideoRequest(file_name="a.exe", size_bytes=1))
assert isinstance(refused, Problem) and refused.code == "unsupported-file-format", refused

options = OptionsBody(select=SelectBody(count=3))
request = CreateVideoRequest(file_name="clip.mp4", size_bytes=len(video), options=options)
created = create_video.sync(client=ada, body=request)
assert isinstance(created.upload, PutUpload), created
headers = created.upload.headers.to_dict()
put = urllib.request.Request(created.upload.url, data=video, method="PUT", headers=headers)
urllib.request.urlopen(put).close()
assert complete_upload.sync(id=created.id, client=ada).status == Status.PENDING

while (record := get_video.sync(id=created.id, client=ada)).status not in (Status.COMPLETED, Status.FAILED):
    time.sleep(0.2)
assert record.status == Status.COMPLETED and record.result.frames == 3, record
assert record.options.select.count == 3, record
print(f"{record.result.frames} frames")
