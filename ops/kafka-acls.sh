#!/bin/sh
# Allow a Kafka principal what its role needs, and no more. Run it as somebody who may alter ACLs:
#
#   FIRSTLINE_KAFKA_BOOTSTRAP=kafka:9093 ADMIN_CONFIG=admin.properties \
#       ops/kafka-acls.sh worker User:firstline-worker
#
# Roles: worker, chat, psa, ticket-events, internal, and: reader PRINCIPAL TOPIC GROUP. Whoever has
# the role internal may act as anybody.
# FIRSTLINE_TOPIC_PREFIX is that of the deployment, "firstline." by default; KAFKA_ACLS is Kafka's
# own tool, kafka-acls.sh by default; ADMIN_CONFIG is its --command-config, where it needs one.
# Running it again changes nothing. What a principal was allowed before stays: it only adds.
set -eu

usage() {
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 2 ] || usage
role=$1
principal=$2
prefix=${FIRSTLINE_TOPIC_PREFIX-firstline.}
bootstrap=${FIRSTLINE_KAFKA_BOOTSTRAP:?is the address of Kafka}

# Read and Write let a principal see the topic, too; Kafka 2.8 and newer let whoever may write to
# any topic do so idempotently.
allow() {
    "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$bootstrap" \
        ${ADMIN_CONFIG:+--command-config "$ADMIN_CONFIG"} \
        --add --allow-principal "$principal" "$@"
}

case $role in
worker)
    [ $# -eq 2 ] || usage
    allow --operation Read --group "${prefix}worker" \
        --topic "${prefix}commands.chat" --topic "${prefix}commands.psa" \
        --topic "${prefix}commands.internal" --topic "${prefix}ticket-events" \
        --topic "${prefix}node-requests" --topic "${prefix}relay-progress"
    # Whoever generates nodes is in a group of its own.
    allow --operation Read --group "${prefix}nodes"
    allow --operation Write --transactional-id "${prefix}relay-0" \
        --topic "${prefix}commands.internal" --topic "${prefix}node-requests" \
        --topic "${prefix}session-events" --topic "${prefix}session-state" \
        --topic "${prefix}ticketing" --topic "${prefix}engineer-notifications" \
        --topic "${prefix}replies" --topic "${prefix}dead-letters" \
        --topic "${prefix}relay-progress"
    # A worker that starts looks at retention: ids are remembered for longer.
    allow --operation DescribeConfigs \
        --topic "${prefix}commands.chat" --topic "${prefix}commands.psa" \
        --topic "${prefix}commands.internal" --topic "${prefix}ticket-events" \
        --topic "${prefix}node-requests" --topic "${prefix}session-events" \
        --topic "${prefix}session-state" --topic "${prefix}ticketing" \
        --topic "${prefix}engineer-notifications" --topic "${prefix}replies" \
        --topic "${prefix}dead-letters" --topic "${prefix}relay-progress"
    ;;
chat | psa | internal)
    [ $# -eq 2 ] || usage
    allow --operation Write --topic "${prefix}commands.$role"
    allow --operation Read --topic "${prefix}replies" --group "${prefix}$role"
    ;;
ticket-events)
    [ $# -eq 2 ] || usage
    allow --operation Write --topic "${prefix}ticket-events"
    ;;
reader)
    [ $# -eq 4 ] || usage
    allow --operation Read --topic "${prefix}$3" --group "$4"
    ;;
*)
    usage
    ;;
esac
