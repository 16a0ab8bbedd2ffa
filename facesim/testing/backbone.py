"""Contract of backbones."""

import torch
from torch import Tensor, nn

from facesim.errors import count
from facesim.interfaces import Backbone
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import (
    REGISTER,
    difference,
    pickled,
    require_registered_tensors,
    through_a_file,
)
from facesim.testing.process_group import OWN_IMAGES, require_same_on_every_process

HEIGHT, WIDTH = 50, 42

BACKBONE: Contract[Backbone] = Contract("backbone", promises_of_every_kind())


@BACKBONE.promise(
    hint="end the tail with global pooling and nn.Flatten(), and pass its width as `features`; or "
    "pass `pooled=False` if it gives feature maps"
)
def features_have_the_stated_width(spec: Spec[Backbone]) -> None:
    """Any number of images gives features float32 [B, features], or unpooled maps of that width."""
    backbone = spec.build().eval()
    for number in (1, 3):
        features = backbone(_images(backbone, number))
        observed = f"{count(number, 'image')} gave {features.dtype} {list(features.shape)}"
        stated = (number, backbone.features)
        require(
            features.shape[:2] == stated and features.dtype == torch.float32,
            f"{observed}, `features` says {backbone.features}",
        )
        require(
            features.ndim == (2 if backbone.pooled else 4), f"{observed}, pooled={backbone.pooled}"
        )


@BACKBONE.promise(
    hint="pass the frozen part as `trunk`, and let none of its modules override train() or eval(); "
    "Backbone keeps it in eval() mode and without gradients"
)
def trunk_does_not_move(spec: Spec[Backbone]) -> None:
    """Training changes nothing in the trunk, not even the statistics of its BatchNorm."""
    backbone = spec.build()
    trainable = [name for name, p in backbone.trunk.named_parameters() if p.requires_grad]
    require(not trainable, f"trainable in the trunk: {', '.join(trainable[:3])}")
    moved = _moved_by_training(backbone, backbone.trunk)
    require(not moved, f"changed in the trunk: {', '.join(sorted(moved)[:3])}")


@BACKBONE.promise(hint="put what is frozen into the trunk; share no module between trunk and tail")
def tail_is_trained(spec: Spec[Backbone]) -> None:
    """All of the tail is trained: each parameter gets a gradient, each statistic changes."""
    backbone = spec.build()
    statistics = {
        name for name, buffer in backbone.tail.named_buffers() if buffer.is_floating_point()
    } & set(backbone.tail.state_dict())
    still = statistics - _moved_by_training(backbone, backbone.tail)
    require(not still, f"unchanged in the tail: {', '.join(sorted(still)[:3])}")
    gradients = {name: p.grad for name, p in backbone.tail.named_parameters()}
    idle = [name for name, gradient in gradients.items() if gradient is None or not gradient.any()]
    require(not idle, f"no gradient in the tail for {', '.join(idle[:3])}")


@BACKBONE.promise(
    hint="do not override train() or eval(); Backbone.train keeps the trunk in eval() mode"
)
def trunk_is_the_same_in_training(spec: Spec[Backbone]) -> None:
    """The trunk gives the same output in training as in use, without a graph: it is cached."""
    backbone = spec.build()
    images = _images(backbone, 3)
    in_use = backbone.eval().run_trunk(images)
    in_training = backbone.train().run_trunk(images)
    require(not in_training.requires_grad, "the trunk's output has a graph")
    require(torch.equal(in_use, in_training), "the trunk's output differs between training and use")


@BACKBONE.promise(hint="in eval() mode, let nothing be random or depend on the rest of the batch")
def features_do_not_depend_on_the_batch(spec: Spec[Backbone]) -> None:
    """In use an image has the same features each time and in any batch."""
    backbone = spec.build().eval()
    images = _images(backbone, 3)
    require(
        torch.equal(backbone(images), backbone(images)),
        "the same images gave different features a second time",
    )
    alone = torch.cat([backbone(image[None]) for image in images])
    observed = difference(backbone(images), alone, relative=1e-3, absolute=1e-4)
    require(not observed, f"alone and in a batch {observed}")


@BACKBONE.promise(hint="begin trunk and tail with an operation that is not in-place")
def inputs_stay_as_they_were(spec: Spec[Backbone]) -> None:
    """Neither the pixels nor the trunk's output, which may come from the cache, are changed."""
    backbone = spec.build()
    images = _images(backbone, 4)
    output = backbone.run_trunk(images)
    kept = output.clone()
    backbone.train().tail(output)
    require(torch.equal(images, _images(backbone, 4)), "the trunk changed the pixels")
    require(torch.equal(output, kept), "the tail changed the trunk's output")


@BACKBONE.promise(hint="draw weights with torch's functions and no generator of your own")
def weights_follow_from_the_seed(spec: Spec[Backbone]) -> None:
    """Random weights come from torch's global generator, so that a seed repeats them."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(spec.build().state_dict())
    first, second = states
    moved = [key for key in first if not torch.equal(first[key], second[key])]
    require(not moved, f"different under one seed: {', '.join(moved[:3])}")


@BACKBONE.promise(hint=REGISTER)
def every_tensor_is_registered(spec: Spec[Backbone]) -> None:
    """Every tensor that it keeps is a parameter or a buffer, and so moves to a GPU with it."""
    require_registered_tensors(spec.build())


@BACKBONE.promise(hint=REGISTER)
def state_survives_a_checkpoint(spec: Spec[Backbone]) -> None:
    """A checkpoint holds all of it: once restored, it gives the same features."""
    trained, fresh = spec.build(), spec.build()
    _train(trained)
    fresh.load_state_dict(through_a_file(trained.state_dict()))
    images = _images(fresh, 2)
    same = torch.equal(trained.eval()(images), fresh.eval()(images))
    require(same, "restored from a checkpoint, it gives different features")


@BACKBONE.promise(hint="let modules hold functions defined at the top of a file, not lambdas")
def it_can_be_pickled(spec: Spec[Backbone]) -> None:
    """It can be pickled, and so be sent to a worker process."""
    backbone = spec.build().eval()
    images = _images(backbone, 2)
    same = torch.equal(backbone(images), pickled(backbone)(images))
    require(same, "the copy gives different features")


@BACKBONE.promise(
    hint="let no Python `if` depend on the values of a tensor; torch.export's message says where "
    "it failed"
)
def it_can_be_exported(spec: Spec[Backbone]) -> None:
    """torch.export turns it into a program that gives the same features."""
    backbone = spec.build().eval()
    images = _images(backbone, 2)
    program = torch.export.export(backbone, (images,)).module()
    observed = difference(backbone(images), program(images), relative=1e-3, absolute=1e-4)
    require(not observed, f"exported, {observed}")


@BACKBONE.promise(hint=OWN_IMAGES)
def every_process_computes_its_own_images(spec: Spec[Backbone]) -> None:
    """As one of several processes it trains on its images as it does alone."""

    def after_a_step() -> dict[str, Tensor]:
        torch.manual_seed(0)
        backbone = spec.build()
        _train(backbone, steps=1)
        return {f"{name}, after a step,": kept for name, kept in backbone.state_dict().items()}

    require_same_on_every_process(after_a_step, "4 images")


def _images(backbone: Backbone, number: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (number, 3, *(backbone.image_size or (HEIGHT, WIDTH)))
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def _train(backbone: Backbone, steps: int = 3) -> None:
    backbone.train()
    readout = nn.Linear(backbone.features, 1)
    trained = [p for p in (*backbone.parameters(), *readout.parameters()) if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-3)  # random weights diverge easily
    for step in range(steps):
        optimizer.zero_grad()
        features = backbone(_images(backbone, 4, seed=step))
        readout(features.movedim(1, -1)).square().mean().backward()
        optimizer.step()


def _moved_by_training(backbone: Backbone, part: nn.Module) -> set[str]:
    """Names of the parameters and buffers of a part that three training steps change."""
    before = {name: tensor.clone() for name, tensor in part.state_dict().items()}
    _train(backbone)
    after = part.state_dict()
    return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
