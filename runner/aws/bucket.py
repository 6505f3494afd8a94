"""Manifests under an S3 prefix, with a copy in the home.

Writes are conditional ("Conditional requests" of the S3 User Guide): a manifest is created only where none is, and
replaced only if it still is the one that was read, so that two machines can never both write a generation. Digest
files are packed (`.gz`): they are sparse, and S3 knows no holes.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runner.aws.account import Account, aws_errors
from runner.manifests import Manifests, read_manifest, write_manifest
from runner.packed import pack, unpack
from schemas.errors import IntegrityViolated
from schemas.manifest import Manifest
from schemas.spec import S3Backend

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

_NAME = re.compile(r"/generation-(\d{4,9})\.json$")


class ManifestChanged(IntegrityViolated):
    """Another process wrote the same manifest meanwhile."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The manifest {where} was written by another process meanwhile.",
            "Two machines work on this replication: stop one, look at the manifests, run the other's command again.",
        )
        self.where = where


def read_object(account: Account, bucket: str, key: str) -> bytes | None:
    """The bytes of an S3 object, or None where there is none."""
    return _get(account, bucket, key)[0]


def _get(account: Account, bucket: str, key: str) -> tuple[bytes | None, str]:
    with aws_errors("s3:GetObject"):
        try:
            answer = account.s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                return None, ""
            raise
        return answer["Body"].read(), answer["ETag"]


@dataclass(frozen=True)
class BucketManifests:
    """The manifests of a replication under `<prefix>/<name>/manifest/`. `here` is the copy in the home."""

    account: Account
    backend: S3Backend
    name: str
    here: Manifests
    _etags: dict[int, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The local copy's directory."""
        return self.here.directory

    def path(self, generation: int) -> Path:
        """The local copy of a manifest."""
        return self.here.path(generation)

    def digest_file(self, generation: int, disk: str) -> Path:
        """The local digest file; it goes to S3 with its manifest."""
        return self.here.digest_file(generation, disk)

    def generations(self) -> list[int]:
        """The numbers of all generations there are, oldest first."""
        with aws_errors("s3:ListBucket"):
            pages = self.account.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.backend.bucket, Prefix=f"{self._prefix}/generation-"
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(int(match.group(1)) for key in keys if (match := _NAME.search(key)))

    def latest(self) -> Manifest | None:
        """The newest manifest, or None."""
        numbers = self.generations()
        return self.read(numbers[-1]) if numbers else None

    def read(self, generation: int) -> Manifest | None:
        """The manifest of a generation, or None. Raises `DocumentDamaged`."""
        key = self._key(generation)
        text, etag = _get(self.account, self.backend.bucket, key)
        if text is None:
            return None
        self._etags[generation] = etag
        return read_manifest(text, f"s3://{self.backend.bucket}/{key}")

    def write(self, manifest: Manifest) -> None:
        """Write a manifest after its digest files. Raises `ManifestChanged`."""
        known = self.read(manifest.generation)
        if known is None or known.disks != manifest.disks:
            for disk in manifest.disks:
                self._upload(self.here.directory / disk.digest_file, f"{self._prefix}/{disk.digest_file}.gz")
        body = write_manifest(manifest).encode()
        key = self._key(manifest.generation)
        request = self._request(key)
        request["Body"] = body
        if known is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = self._etags[manifest.generation]
        with aws_errors("s3:PutObject"):
            try:
                self.account.s3.put_object(**request)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict"):
                    raise ManifestChanged(f"s3://{self.backend.bucket}/{key}") from error
                raise
        self.here.write(manifest)

    def fetch_digests(self, generation: int, disk: str) -> Path:
        """The digest file of a disk, from the bucket if it is not here yet. Raises `PackedDamaged`."""
        path = self.here.digest_file(generation, disk)
        if not path.exists():
            key = f"{self._prefix}/{path.relative_to(self.here.directory)}.gz"
            with aws_errors("s3:GetObject"):
                try:
                    body = self.account.s3.get_object(Bucket=self.backend.bucket, Key=key)["Body"]
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                        return path
                    raise
                path.parent.mkdir(parents=True, exist_ok=True)
                fetched = path.with_name(f".{path.name}.gz")
                with fetched.open("w+b") as packed:
                    shutil.copyfileobj(body, packed)
                    packed.seek(0)
                    unpack(packed, path, f"s3://{self.backend.bucket}/{key}")
                fetched.unlink()
        return path

    def drop_digests(self, generation: int) -> None:
        """Remove the digest files of a generation, here and in the bucket; its manifest stays."""
        self._delete_all(f"{self._prefix}/generation-{generation:04d}/")
        self.here.drop_digests(generation)

    def clear(self) -> None:
        """Remove all the replication keeps in the bucket: manifests, digest files, Terraform's (empty) state."""
        self._delete_all(f"{self.backend.prefix}/{self.name}/")
        self.here.clear()

    def _delete_all(self, prefix: str) -> None:
        with aws_errors("s3:ListBucket"):
            pages = self.account.s3.get_paginator("list_objects_v2").paginate(Bucket=self.backend.bucket, Prefix=prefix)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        for key in keys:
            with aws_errors("s3:DeleteObject"):
                self.account.s3.delete_object(Bucket=self.backend.bucket, Key=key)

    def _upload(self, file: Path, key: str) -> None:
        packed = file.with_name(f".{file.name}.gz")
        pack(file, packed)
        with packed.open("rb") as body, aws_errors("s3:PutObject"):
            request = self._request(key)
            request["Body"] = body
            self.account.s3.put_object(**request)
        packed.unlink()

    def _request(self, key: str) -> PutObjectRequestTypeDef:
        """Where an object goes, and how it is encrypted."""
        request: PutObjectRequestTypeDef = {"Bucket": self.backend.bucket, "Key": key}
        key_id = self.backend.kms_key_id
        if key_id is not None:
            request["SSEKMSKeyId"] = key_id
        request["ServerSideEncryption"] = "AES256" if key_id is None else "aws:kms"
        return request

    @property
    def _prefix(self) -> str:
        return f"{self.backend.prefix}/{self.name}/manifest"

    def _key(self, generation: int) -> str:
        return f"{self._prefix}/generation-{generation:04d}.json"
