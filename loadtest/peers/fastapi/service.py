"""A prediction service as one writes it first with FastAPI and onnxruntime.

Pydantic models for body and reply, features in a dict, one run of the model per request, one process with uvloop and
httptools. Prints its port as Millrace's log does. Arguments: the model file, the number of users, of features.
"""

import json
import math
import socket
import sys
import uuid

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

model_path, users, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
features = {
    f"user-{u}": np.array([math.sin(u * width + f) for f in range(width)], dtype=np.float32) for u in range(users)
}
missing = np.zeros(width, dtype=np.float32)


class Row(BaseModel):
    user_id: str | None = None
    item: str


class Context(BaseModel):
    user_id: str | None = None


class PredictRequest(BaseModel):
    context: Context | None = None
    rows: list[Row]


class Prediction(BaseModel):
    score: float


class PredictReply(BaseModel):
    request_id: str
    model: str
    version: str
    predictions: list[Prediction]


app = FastAPI()


@app.post("/predict")
async def predict(request: PredictRequest) -> PredictReply:
    shared = request.context.user_id if request.context else None
    rows = [features.get(row.user_id or shared or "", missing) for row in request.rows]
    (scores,) = session.run(["score"], {"x": np.stack(rows)})
    predictions = [Prediction(score=score) for score in scores[:, 0].tolist()]
    return PredictReply(request_id=str(uuid.uuid4()), model="m", version="1", predictions=predictions)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "msg": "ready"}), flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
