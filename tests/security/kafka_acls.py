"""Kafka's tool for ACLs, as far as our script uses it: it is not among the server's jars.

Takes the options of kafka-acls.sh that add literal ACLs, refuses what that refuses, no more.
"""

import argparse
from itertools import product

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

_OPERATIONS = {"Read": "READ", "Write": "WRITE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
_KINDS = {
    "topic": ("TOPIC", {"Read", "Write", "DescribeConfigs"}),
    "group": ("GROUP", {"Read"}),
    "transactional_id": ("TRANSACTIONAL_ID", {"Write"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", choices=_OPERATIONS, action="append", required=True)
    for kind in _KINDS:
        parser.add_argument(f"--{kind.replace('_', '-')}", action="append", default=[], dest=kind)
    asked = parser.parse_args()
    bindings = []
    for kind, (resource, known) in _KINDS.items():
        for name, operation in product(getattr(asked, kind), asked.operation):
            if operation not in known:
                parser.error(f"{operation} is no operation on a {kind}")
            bindings.append(
                AclBinding(
                    ResourceType[resource],
                    name,
                    ResourcePatternType.LITERAL,
                    asked.allow_principal,
                    "*",
                    AclOperation[_OPERATIONS[operation]],
                    AclPermissionType.ALLOW,
                )
            )
    admin = AdminClient({"bootstrap.servers": asked.bootstrap_server})
    for done in admin.create_acls(bindings).values():
        done.result()


if __name__ == "__main__":
    main()
