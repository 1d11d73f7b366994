"""A ResNet-50 whose last two stages are dilated, so that its tokens are 8 pixels apart."""

from __future__ import annotations

from typing import Any

import timm
import torch

from models.backbone import Backbone, BackboneDefaults


class DilatedResNet50(Backbone):
    """ResNet-50 (He et al. 2016) of output stride 8; features of its last stage, after the ReLU, 2048 channels."""

    def __init__(self, name: str, defaults: BackboneDefaults) -> None:
        super().__init__(name, stride=8, dim=2048, defaults=defaults)
        self.body: Any = timm.create_model("resnet50", pretrained=False, num_classes=0, global_pool="", output_stride=8)

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over weights in torchvision's layout, which timm's ResNet shares; a classifier is ignored."""
        self.body.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")})

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.stages(pixels)[-1]

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Outputs of the four stages: strides 4, 8, 8, 8 and 256, 512, 1024, 2048 channels."""
        body = self.body
        features = body.maxpool(body.act1(body.bn1(body.conv1(self.prepare(pixels)))))
        outputs = []
        for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
            features = stage(features)
            outputs.append(features.permute(0, 2, 3, 1).float().contiguous())
        return outputs
