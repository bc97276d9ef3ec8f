"""Publish a photo album: fan out over its photos, collect the thumbnails, and ask for approval.

Run it, and approve from another terminal::

    durable run examples/map/photo_album/app.py:publish_album \
        --input '{"album": "summer", "pages": 2}' --name summer
    durable callback succeed ID --data '"Grace"'
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from durable_execution_sdk import (
    CallbackConfig,
    CompletionConfig,
    CompletionReason,
    DurableContext,
    Duration,
    MapConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)


@dataclass(frozen=True)
class Album:
    album: str
    pages: int


@dataclass(frozen=True)
class Thumbnail:
    photo: str
    width: int


@dataclass(frozen=True)
class Published:
    thumbnails: list[Thumbnail]
    broken: list[str]
    approved_by: str


# External systems: an archive that lists photos by page; some photos are damaged.


def photos_on(album: str, page: int) -> list[str]:
    return [f"{album}-{page}-{number}.jpg" for number in range(4)]


def resize(photo: str) -> Thumbnail:
    if photo.endswith("-1-3.jpg"):
        raise OSError(f"{photo} is not a picture")
    return Thumbnail(photo, 200)


def ask(callback_id: str, album: str) -> None:
    print(
        f"May {album} be published? durable callback succeed {callback_id} --data '\"your name\"'"
    )


def mirrors_that_have_it(count: int) -> int:
    return count + 1


def has_enough(count: int) -> bool:
    return count >= 3


# The workflow.


async def photos(ctx: DurableContext, album: Album) -> AsyncIterator[str]:
    """Yield all photos; a page is fetched when the map can start its first photo."""
    for page in range(album.pages):
        for photo in await ctx.step(photos_on, album.album, page):
            yield photo


async def thumbnail(ctx: DurableContext, photo: str, index: int) -> Thumbnail:
    """Resize one photo in a context of its own, whose failure does not affect other photos."""
    resized = await ctx.step(resize, photo)
    await ctx.wait(Duration.from_seconds(1), name="spare_the_archive")
    return resized


@durable_execution
async def publish_album(album: Album, ctx: DurableContext) -> Published:
    batch = await ctx.map(
        photos(ctx, album),
        thumbnail,
        name="thumbnails",
        config=MapConfig(
            max_concurrency=3,
            completion=CompletionConfig(tolerated_failure_count=1),
            item_namer=lambda photo, _: photo,
        ),
    )
    if batch.completion_reason is CompletionReason.FAILURE_TOLERANCE_EXCEEDED:
        batch.throw_if_error()

    async def approval(branch: DurableContext) -> str:
        config = CallbackConfig(result_type=str, timeout=Duration.from_days(7))
        callback = await branch.create_callback(config=config)
        await branch.step(ask, callback.callback_id, album.album)
        return await callback

    async def mirrored(branch: DurableContext) -> str:
        until_three = poll_until(has_enough, initial_delay=Duration.from_seconds(30))
        config = WaitForConditionConfig(initial_state=0, wait_strategy=until_three)
        count = await branch.wait_for_condition(mirrors_that_have_it, config)
        return f"{count} mirrors"

    # A person decides, perhaps next week, while the other branch polls.
    checks = await ctx.parallel(
        {"approval": approval, "mirrored": mirrored}, name="before_it_is_public"
    )
    checks.throw_if_error()
    return Published(
        thumbnails=batch.results(),
        broken=[item.name or "" for item in batch.failed()],
        approved_by=checks.results()[0],
    )
