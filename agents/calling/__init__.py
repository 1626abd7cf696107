"""The one way by which every tool call goes: policy, approval, limits, the receipt, and on to the toolbox."""
