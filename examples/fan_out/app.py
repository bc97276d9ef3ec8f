"""A photo album: fan out over its photos, fan in to one page, and ask somebody before it is public.

Run it, and answer from another terminal::

    durable run examples/fan_out/app.py:publish_album \
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
    wait_until,
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


# The world outside: an archive that lists photos by the page, some of which nobody can read any more.


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


# The workflow.


async def photos(ctx: DurableContext, album: Album) -> AsyncIterator[str]:
    """Every photo; the next page is fetched when there is room for its photos."""
    for page in range(album.pages):
        for photo in await ctx.step(photos_on, album.album, page):
            yield photo


async def thumbnail(ctx: DurableContext, photo: str, index: int) -> Thumbnail:
    """One photo: its own context, its own retries, nobody else's trouble."""
    made = await ctx.step(resize, photo)
    await ctx.wait(Duration.from_seconds(1), name="spare_the_archive")
    return made


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
        until = wait_until(lambda count: count >= 3, initial_delay=Duration.from_seconds(30))
        config = WaitForConditionConfig(initial_state=0, wait_strategy=until)
        return f"{await branch.wait_for_condition(mirrors_that_have_it, config)} mirrors"

    # A person decides, perhaps next week, while the other branch looks again and again.
    both = await ctx.parallel(
        {"approval": approval, "mirrored": mirrored}, name="before_it_is_public"
    )
    both.throw_if_error()
    return Published(
        thumbnails=batch.results(),
        broken=[item.name or "" for item in batch.failed()],
        approved_by=both.results()[0],
    )
