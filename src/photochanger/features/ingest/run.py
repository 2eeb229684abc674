"""Runs one job from its open row to its end: place, chain, result, one transaction. Goes on when the sender leaves."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog

from photochanger.adapters.coordination.places import NoPlace, Places
from photochanger.adapters.db.session import DatabaseUnavailable
from photochanger.adapters.imaging.imaging import Imaging, Prepared, Rendered
from photochanger.adapters.providers.driver import BadAnswer, Picture, Reference
from photochanger.adapters.storage.store import ObjectMissing
from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id
from photochanger.features.ingest.budget import Budgets
from photochanger.features.ingest.call import Delivered, Order
from photochanger.features.ingest.chain import ChainRunner
from photochanger.features.ingest.finish import Finish
from photochanger.features.ingest.late import END_PAUSE_SECONDS, END_TRIES, LATE_SECONDS, LatePhotos, Making
from photochanger.features.ingest.plan import LOCAL_RESERVE
from photochanger.features.ingest.prompts import fill, words_of
from photochanger.features.ingest.schemas import Answer, Ending, Work
from photochanger.features.jobs.models import Attempt
from photochanger.features.media.inputs import Inputs
from photochanger.features.media.models import Media
from photochanger.features.media.service import MediaService
from photochanger.features.prices.service import PriceService
from photochanger.features.slots.schemas import ConfiguredSlot, Step

MAY_ANSWER_ORIGINAL = frozenset(
    {"slot-busy", "provider-busy", "provider-rejected", "provider-failed", "provider-timeout"}
)

FREE_STEP = Step(provider="darkroom", operation="black_and_white")
"""For a chain without a local step whose budget is used up."""
_CUT_SECONDS = 0.1
"""For a call that is cut to end; what it cleans up after that, nobody waits for."""

log = structlog.get_logger()


class JobRunner:
    def __init__(
        self,
        *,
        media: MediaService,
        imaging: Imaging,
        chain: ChainRunner,
        places: Places,
        inputs: Inputs,
        finish: Finish,
        prices: PriceService,
        budgets: Budgets,
        clock: Clock,
    ) -> None:
        self._media = media
        self._imaging = imaging
        self._chain = chain
        self._places = places
        self._inputs = inputs
        self._finish = finish
        self._prices = prices
        self._budgets = budgets
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()
        self._late = LatePhotos(finish=finish, media=media, watch=self._watch)

    def start(self, work: Work) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._run(work), name=f"job {work.job.id}")
        self._watch(task)
        return task

    def _watch(self, task: asyncio.Task[Any]) -> None:
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def drain(self) -> None:
        """Waits for every running job; each ends inside its window. Calls that are late anyway are cut."""
        while self._running:
            self._late.hurry()
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the sender may have left; the job's row tells what happened

    async def _run(self, work: Work) -> Answer:
        photo = _Photo(work, self._media, self._imaging)
        attempts: list[Attempt] = []
        making, ending = await self._in_time(work, photo, attempts)
        if ending.problem and ending.problem.code in MAY_ANSWER_ORIGINAL:
            await self._fall_back(work, photo, ending)
        within = ending.problem.seconds_left if isinstance(ending.problem, DatabaseUnavailable) else None
        if making is not None:
            ending.late_until = self._clock.now() + timedelta(seconds=LATE_SECONDS)
        try:
            answer = await self._finish.end(work, ending, attempts, within=within)
        except DatabaseUnavailable as unavailable:
            unavailable.headers["X-Job-Id"] = str(work.job.id)
            self.end_later(work, ending, attempts, making)
            raise
        except BaseException as problem:
            if problem is ending.problem:
                self._late.go_on(work, making, attempts)
            else:
                self._late.give_up(making)
            raise
        self._late.go_on(work, making, attempts)
        return answer

    async def _in_time(
        self, work: Work, photo: "_Photo", attempts: list[Attempt]
    ) -> tuple[asyncio.Task[Ending] | None, Ending]:
        """How the job ends for its sender; with what still goes on after the window where it may be late.

        The place in the slot is the guest's: it is given back with the answer.
        """
        waited_from = work.window.elapsed()
        async with AsyncExitStack() as place:
            try:
                await place.enter_async_context(self._place(work))
            except NoPlace as full:
                return None, Ending(problem=Problem("slot-busy", retry_after=full.retry_after))
            work.timings.wait = work.window.elapsed() - waited_from
            making = asyncio.create_task(self._make(work, photo, attempts), name=f"photo of {work.job.id}")
            keeps_reserve = work.may_be_late and work.slot.config.failure_policy == "original"
            await asyncio.wait({making}, timeout=max(0.0, work.window.left() - LOCAL_RESERVE * keeps_reserve))
        if making.done():
            return None, making.result()
        late = Ending(problem=Problem("provider-timeout"))
        if work.may_be_late:
            return making, late
        making.cancel()
        await asyncio.wait({making}, timeout=_CUT_SECONDS)
        if making.done() and not making.cancelled():
            return None, making.result()
        self._late.clear_behind(making)  # cleaning up in a store that hangs is nothing to wait for
        return None, late

    def _place(self, work: Work) -> AbstractAsyncContextManager[None]:
        kind = "test" if work.job.is_test else "slot"  # a draft's number of places is not the slot's
        return self._places.take(
            f"{kind}:{work.slot.slot_id}",
            places=work.slot.config.max_concurrency,
            per_minute=work.slot.config.max_per_minute,
            wait_seconds=work.window.left() - LOCAL_RESERVE,
        )

    def end_later(self, work: Work, ending: Ending, attempts: list[Attempt], making: Making | None = None) -> None:
        task = self._end_later(work, ending, attempts, making)
        self._watch(asyncio.create_task(task, name=f"end of {work.job.id}"))

    async def _end_later(self, work: Work, ending: Ending, attempts: list[Attempt], making: Making | None) -> None:
        """A result that may have been paid for is not thrown away for a database that is gone for some seconds.

        The sender was told 503; the photo sent again joins this job. The sweep would close it a little later.
        """
        for _ in range(END_TRIES):
            await asyncio.sleep(END_PAUSE_SECONDS)
            try:
                await self._finish.end(work, ending, attempts)
            except DatabaseUnavailable:
                continue
            except Problem as problem:  # how the job ended, for a sender who is not waiting any more
                if problem is not ending.problem:
                    break
            self._late.go_on(work, making, attempts)
            return
        self._late.give_up(making)

    async def _make(self, work: Work, photo: "_Photo", attempts: list[Attempt]) -> Ending:
        """A stored result, or the problem that its sender is told."""
        try:
            delivered = await self._transform(work, photo, attempts)
            photo.forget()
            kept = await self._keep(work, delivered.rendered)
            return Ending(rendered=delivered.rendered, kept=kept, outcome="transformed", provider=delivered.provider)
        except asyncio.CancelledError:
            if attempts and attempts[-1].outcome == "cancelled":
                attempts[-1].outcome, attempts[-1].error = "timed_out", "the window closed"
            raise
        except Problem as problem:
            return Ending(problem=problem)
        except Exception:
            log.exception("job.crashed", job_id=str(work.job.id))
            return Ending(problem=Problem("internal"))

    async def _transform(self, work: Work, photo: "_Photo", attempts: list[Attempt]) -> Delivered:
        config, began = work.slot.config, work.window.elapsed()
        defaults = {variable.name: variable.default for variable in config.variables}
        try:
            steps, only_local = work.chain, not await self._budgets.may_spend(work)
            if only_local and not any(map(self._chain.is_local, steps)):
                steps = [*steps, FREE_STEP]
            is_local = only_local or self._chain.is_local(steps[0])
            await photo.prepare(limits.LOCAL_PIXELS if is_local else limits.REMOTE_PIXELS)
            async with self._inputs.published() as publish:
                order = Order(
                    job_id=work.job.id,
                    steps=steps,
                    only_local=only_local,
                    keep_shape=config.keep_shape,
                    prepare=photo.prepare,
                    references=await self._references(work.slot),
                    settings=work.settings,
                    prices=await self._prices.book(),
                    window=work.window,
                    prompt_of=lambda step: fill(step.prompt, work.source.variables, defaults),
                    guest_words=words_of(work.source.variables.values()),
                    late_seconds=LATE_SECONDS if work.may_be_late else 0.0,
                    keeps_reserve=config.failure_policy == "original",
                    publish=publish,
                )
                return await self._chain.run(order, attempts, self._finish.begin_attempts_last)
        finally:
            work.timings.provider = work.window.elapsed() - began

    async def _fall_back(self, work: Work, photo: "_Photo", ending: Ending) -> None:
        """Hands back the upright original where the slot's policy says so. Its own failure leaves the first problem."""
        if work.slot.config.failure_policy != "original":
            return
        try:
            async with work.window.limit():  # the chain left LOCAL_RESERVE of it
                prepared = await photo.prepare(limits.LOCAL_PIXELS)
                rendered = await self._imaging.render(
                    prepared.picture.data,
                    width=prepared.source_width,
                    height=prepared.source_height,
                    has_alpha=prepared.has_alpha,
                    keep_shape=True,
                    max_pixels=limits.PIXELS,
                    is_clean=True,
                )
                ending.kept = await self._keep(work, rendered)
            ending.rendered, ending.outcome = rendered, "original"
        except (TimeoutError, Problem, BadAnswer) as failure:
            log.warning("job.original_failed", job_id=str(work.job.id), error=str(failure))
        except Exception:  # whatever it is, the job has to end
            log.exception("job.crashed", job_id=str(work.job.id))

    async def _keep(self, work: Work, rendered: Rendered) -> list[Media]:
        began = work.window.elapsed()
        try:
            return await self._finish.keep(work.slot.slot_id, rendered)
        finally:
            work.timings.store += work.window.elapsed() - began

    async def _references(self, slot: ConfiguredSlot) -> tuple[Reference, ...]:
        found = []
        for template in slot.config.template_media:
            media = await self._media.find(parse_id(template.media_id))
            if media is not None and media.evicted_at is None:
                data = await self._media.read_whole(media.object_key)
                found.append(Reference(role=template.role, picture=Picture(data, media.content_type)))
        return tuple(found)


class _Photo:
    """The source as its steps need it: decoded once for every size."""

    def __init__(self, work: Work, media: MediaService, imaging: Imaging) -> None:
        self._source = work.source.media
        self._media = media
        self._imaging = imaging
        self._prepared: dict[int, Prepared] = {}

    def forget(self) -> None:
        """Memory, once no step needs the photo any more."""
        self._prepared.clear()

    async def prepare(self, max_pixels: int) -> Prepared:
        if max_pixels not in self._prepared:
            try:
                async with self._media.store.get(self._source.object_key) as chunks:
                    self._prepared[max_pixels] = await self._imaging.prepare(
                        chunks, self._source.content_type, max_pixels=max_pixels
                    )
            except ObjectMissing:  # deleted while a rerun was about to read it
                raise Problem("source-gone") from None
        return self._prepared[max_pixels]
