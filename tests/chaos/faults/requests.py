"""Single Kafka requests and answers that are lost, or come too late, by the proxy."""

from tests.chaos.fault import Fault, Inject
from tests.chaos.proxy import Api, Way
from tests.chaos.scene import Scene

_AT_START = {Api.INIT_PRODUCER_ID, Api.JOIN_GROUP, Api.SYNC_GROUP}
"""What is only asked when a worker starts."""


def lost(api: Api, way: Way) -> Inject:
    """Lose one request, or one answer."""

    def inject(scene: Scene) -> int:
        caught = scene.proxy.lose(api, way)
        if api in _AT_START:
            scene.replace_worker()
        scene.until(caught.reached.is_set, f"no {way.value} {api.name}")
        return 1

    return inject


def late(api: Api) -> Inject:
    """Hold one request back until everything goes on without it, and deliver it then."""

    def inject(scene: Scene) -> int:
        caught = scene.proxy.hold(api)
        if api in _AT_START:
            scene.replace_worker()
        scene.until(caught.reached.is_set, f"no request {api.name}")
        scene.until_answered()
        caught.let_go()
        scene.until(caught.arrived.is_set, f"{api.name} does not arrive")
        return 1

    return inject


def _name(api: Api) -> str:
    return "".join(word.capitalize() for word in api.name.split("_"))


FAULTS = (
    *(
        Fault(f"{_name(api)} {way.value} lost", lost(api, way))
        for api, way in (
            (Api.END_TXN, Way.REQUEST),
            (Api.END_TXN, Way.ANSWER),
            (Api.PRODUCE, Way.REQUEST),
            (Api.PRODUCE, Way.ANSWER),
            (Api.ADD_PARTITIONS_TO_TXN, Way.REQUEST),
            (Api.ADD_PARTITIONS_TO_TXN, Way.ANSWER),
            (Api.INIT_PRODUCER_ID, Way.ANSWER),
            (Api.FETCH, Way.ANSWER),
            (Api.OFFSET_COMMIT, Way.ANSWER),
            (Api.HEARTBEAT, Way.ANSWER),
            (Api.SYNC_GROUP, Way.ANSWER),
        )
    ),
    *(
        Fault(f"{_name(api)} request late", late(api))
        for api in (
            Api.END_TXN,
            Api.PRODUCE,
            Api.ADD_PARTITIONS_TO_TXN,
            Api.INIT_PRODUCER_ID,
            Api.OFFSET_COMMIT,
        )
    ),
)
