"""Manifests under an S3 prefix, with a copy in the home.

Writes are conditional ("Conditional requests" of the S3 User Guide): a manifest is created only where none is, and
replaced only if it still is the one that this process read (or wrote) last, which is the one that it decided by, so
that two machines can never both write a generation. Digest files are packed (`.gz`): they are sparse, and S3 knows no
holes. Each has its copy's id in its key: one that lost the race for a manifest must not lie under the winner's.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3
from botocore.exceptions import ClientError

from runner.aws.account import Account, aws_errors
from runner.manifests import Manifests, read_manifest, write_manifest
from runner.packed import pack, unpack
from schemas.errors import IntegrityViolated
from schemas.manifest import DiskRecord, Manifest
from schemas.spec import S3Backend

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
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
    _seen: dict[int, Manifest] = field(default_factory=dict)

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
        self._seen.pop(generation, None)
        if text is None:
            self._etags.pop(generation, None)
            return None
        self._etags[generation] = etag
        manifest = read_manifest(text, f"s3://{self.backend.bucket}/{key}")
        self._seen[generation] = manifest
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Write a manifest after its digest files. Raises `ManifestChanged`."""
        # Not read anew: what another machine wrote since this run decided must refuse the write, and be no part of it.
        known = self._seen.get(manifest.generation)
        if known is None or known.disks != manifest.disks:
            for disk in manifest.disks:
                self._upload(self.here.directory / disk.digest_file, self._digests_key(manifest.generation, disk))
        body = write_manifest(manifest).encode()
        key = self._key(manifest.generation)
        request = self._request(key)
        request["Body"] = body
        etag = self._etags.get(manifest.generation)
        if etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = etag
        with aws_errors("s3:PutObject"):
            try:
                etag = self.account.s3.put_object(**request)["ETag"]
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _REFUSED:
                    raise
                # Our own, if the answer to the first try was lost and boto3 tried again.
                text, etag = _get(self.account, self.backend.bucket, key)
                if text != body:
                    raise ManifestChanged(f"s3://{self.backend.bucket}/{key}") from error
        self._etags[manifest.generation], self._seen[manifest.generation] = etag, manifest
        self.here.write(manifest)

    def fetch_digests(self, generation: int, disk: DiskRecord) -> Path:
        """The digest file of a disk's record: the one here if it is the right one, else the bucket's.

        A run that died may have left another copy's here, and one that is under way may be writing it: it stays as it
        is, and the bucket's comes beside it. Raises `PackedDamaged`.
        """
        path = self.here.digest_file(generation, disk.id)
        fetched = path.with_name(f"{disk.id}.{disk.copy}.digests")
        for there in (path, fetched):
            if there.exists() and blake3(max_threads=blake3.AUTO).update_mmap(there).hexdigest() == (
                disk.digest_of_digests
            ):
                return there
        key = self._digests_key(generation, disk)
        with aws_errors("s3:GetObject"):
            try:
                body = self.account.s3.get_object(Bucket=self.backend.bucket, Key=key)["Body"]
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return path
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
            packed_file = path.with_name(f".{fetched.name}.gz")
            with packed_file.open("w+b") as packed:
                shutil.copyfileobj(body, packed)
                packed.seek(0)
                unpack(packed, fetched, f"s3://{self.backend.bucket}/{key}")
            packed_file.unlink()
        return fetched

    def drop_digests(self, generation: int) -> None:
        """Remove the digest files of a generation, here and in the bucket; its manifest stays."""
        self._delete_all(f"{self._prefix}/generation-{generation:04d}/")
        self.here.drop_digests(generation)

    def clear(self) -> None:
        """Remove all the replication keeps in the bucket: manifests, digest files, Terraform's (empty) state."""
        self._delete_all(f"{self.backend.prefix}/{self.name}/")
        self._etags.clear()
        self._seen.clear()
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

    def _digests_key(self, generation: int, disk: DiskRecord) -> str:
        return f"{self._prefix}/generation-{generation:04d}/{disk.id}.{disk.copy}.digests.gz"

    def _key(self, generation: int) -> str:
        return f"{self._prefix}/generation-{generation:04d}.json"
