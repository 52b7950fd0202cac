"""Pictures of the made-up people, drawn by OpenGL without a screen: `Studio`, one for each clip.

Needs moderngl and a driver that gives a context without a window (EGL; Mesa's software renderer will do).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from benchmarks.seen_looks import HOLDS, Figure, Room
from blender.armature import BONE_NAMES

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

NEAR_M, FAR_M = 0.05, 120.0

_HEAD = f"#version 330\n#define BONES {len(BONE_NAMES)}\n#define NEAR {NEAR_M}\n#define FAR {FAR_M}\n"
_WHOLE_SCREEN = np.array([[-1.0, -1.0], [3.0, -1.0], [-1.0, 3.0]])
_CORNER = ("in_at", "in_normal", "in_color", "in_rest")

_CAMERA = """
uniform mat3 turn; uniform vec3 center; uniform vec4 lens; // lens: focal length and principal point over half the size
vec4 project(vec3 world) {
    vec3 c = turn * (world - center);
    return vec4(lens.x * c.x + lens.z * c.z, lens.y * c.y + lens.w * c.z,
                (FAR + NEAR) / (FAR - NEAR) * c.z - 2.0 * FAR * NEAR / (FAR - NEAR), c.z);
}
"""

# Source of the blend: see blender.skin. Vertices are moved once a picture, and drawn twice: the shadow, and the person.
_SKIN = """
uniform vec4 real[BONES]; uniform vec4 dual[BONES];
in vec3 in_at; in vec3 in_normal; in vec4 in_hold0; in vec4 in_hold1; in vec4 in_weight0; in vec4 in_weight1;
out vec3 moved_at; out vec3 moved_normal;
vec3 turned(vec3 v, float w, vec3 p) { return p + 2.0 * cross(v, cross(v, p) + w * p); }
void main() {
    vec4 r = vec4(0.0), d = vec4(0.0);
    vec4 first = real[int(in_hold0.x)];
    for (int k = 0; k < 8; k++) {
        int bone = int(k < 4 ? in_hold0[k] : in_hold1[k - 4]);
        float weight = k < 4 ? in_weight0[k] : in_weight1[k - 4];
        float sign = dot(real[bone], first) < 0.0 ? -weight : weight;
        r += sign * real[bone];
        d += sign * dual[bone];
    }
    float size = length(r);
    r /= size; d /= size;
    moved_at = turned(r.xyz, r.w, in_at) + 2.0 * (r.w * d.xyz - d.w * r.xyz + cross(r.xyz, d.xyz));
    moved_normal = turned(r.xyz, r.w, in_normal);
}
"""

_THROW = """
uniform float flat_m; uniform vec3 light;
in vec3 in_at;
void main() { gl_Position = project(in_at - light * ((in_at.z - flat_m) / light.z)); }
"""

# Drawn behind everything but the room, at one depth: so no pixel is darkened twice.
_DARK = """
uniform sampler2D around;
out vec4 shown;
void main() {
    float lies = texelFetch(around, ivec2(gl_FragCoord.xy), 0).a;
    if (lies == 0.0) discard;
    gl_FragDepth = 0.99999;
    shown = vec4(vec3(1.0 - lies), 1.0);
}
"""

_PLACE = """
in vec3 in_at; in vec3 in_normal; in vec3 in_color; in vec3 in_rest;
out vec3 normal; out vec3 color; out vec3 rest; out vec3 place;
void main() { normal = in_normal; color = in_color; rest = in_rest; place = in_at; gl_Position = project(in_at); }
"""

_SHADE = """
uniform vec3 light; uniform float ambient; uniform vec3 center;
in vec3 normal; in vec3 color; in vec3 rest; in vec3 place;
out vec4 shown;
float hash(vec3 p) { return fract(sin(dot(p, vec3(127.1, 311.7, 74.7))) * 43758.5453); }
float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p); f = f * f * (3.0 - 2.0 * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1,0,0)), f.x),
            mix(hash(i + vec3(0,1,0)), hash(i + vec3(1,1,0)), f.x), f.y),
        mix(mix(hash(i + vec3(0,0,1)), hash(i + vec3(1,0,1)), f.x),
            mix(hash(i + vec3(0,1,1)), hash(i + vec3(1,1,1)), f.x), f.y), f.z);
}
void main() {
    vec3 n = normalize(normal);
    float lit = max(dot(n, light), 0.0);
    float fill = 0.5 + 0.3 * n.z + 0.2 * max(dot(n, normalize(center - place)), 0.0);
    float folds = 0.92 + 0.16 * noise(rest * 22.0);
    shown = vec4(color * folds * (ambient * fill + (1.15 - ambient) * lit), 1.0);
}
"""

_SCREEN = """
in vec2 in_at; out vec2 at;
void main() { at = in_at; gl_Position = vec4(in_at, 0.9999, 1.0); }
"""

_ROOM = """
uniform mat3 turn; uniform vec3 center; uniform vec4 lens;
uniform sampler2D floor_texture; uniform sampler2D wall_texture;
uniform vec2 tile; uniform vec2 middle; uniform vec2 half_size; uniform vec2 walls; uniform float floor_m;
uniform float ceiling_m; uniform bool sky; uniform float ambient;
in vec2 at; out vec4 shown;
void main() {
    vec3 ray = transpose(turn) * vec3((at.x - lens.z) / lens.x, (at.y - lens.w) / lens.y, 1.0);
    vec2 d = vec2(walls.x * ray.x + walls.y * ray.y, -walls.y * ray.x + walls.x * ray.y);
    vec2 o = center.xy - middle; o = vec2(walls.x * o.x + walls.y * o.y, -walls.y * o.x + walls.x * o.y);
    vec2 t = (sign(d) * half_size - o) / d;
    float wall = min(t.x, t.y), ground = (floor_m - center.z) / ray.z, top = (ceiling_m - center.z) / ray.z;
    vec3 color; float lies = 0.0; // how much a shadow shows
    if (ground > 0.0 && ground < wall) {
        vec3 p = center + ground * ray;
        color = texture(floor_texture, p.xy / tile.x).rgb;
        lies = 0.75 - 0.5 * ambient;
        color *= 0.9 / (1.0 + 0.01 * ground * ground);
    } else if (top > 0.0 && top < wall && !sky) {
        color = vec3(0.82) / (1.0 + 0.01 * top * top);
    } else {
        vec3 p = center + wall * ray;
        float along = t.x < t.y ? o.y + wall * d.y : o.x + wall * d.x;
        color = texture(wall_texture, vec2(along, p.z) / tile.y).rgb * (t.x < t.y ? 0.85 : 1.0);
        if (sky) color = mix(color, vec3(0.75, 0.85, 0.95), smoothstep(2.0, 9.0, p.z));
    }
    shown = vec4(color * (0.55 + 0.5 * ambient), lies);
}
"""


class Studio:
    """Draws one person in one room through one camera.

    Parameters
    ----------
    context
        Of moderngl, see `open_context`.
    figure, room
        Who and where.
    size_px
        Width and height.
    matrix
        (3, 3): the camera's, pixels; (0, 0) is the middle of the top-left pixel.
    rotation, center_m
        (3, 3) world to camera, and the camera's place (3,).
    """

    def __init__(
        self,
        context: Any,
        figure: Figure,
        room: Room,
        size_px: tuple[int, int],
        matrix: Array,
        rotation: Array,
        center_m: Array,
    ) -> None:
        self._context, self._room, self._size = context, room, size_px
        width, height = size_px
        lens = (
            2 * matrix[0, 0] / width,
            2 * matrix[1, 1] / height,
            (2 * matrix[0, 2] + 1) / width - 1,
            (2 * matrix[1, 2] + 1) / height - 1,
        )
        camera = {"turn": tuple(rotation.T.ravel()), "center": tuple(center_m), "lens": lens}
        shade = {"light": tuple(room.light), "ambient": room.ambient}
        self._made: list[Any] = []
        self._skin = self._keep(context.program(vertex_shader=_HEAD + _SKIN, varyings=["moved_at", "moved_normal"]))
        throw = self._program(_CAMERA + _THROW, _DARK, camera | shade | {"flat_m": room.floor_m, "around": 0})
        lit = self._program(_CAMERA + _PLACE, _SHADE, camera | shade)
        resting = np.concatenate([figure.vertices_m, figure.normals, figure.hold, figure.weight], axis=1)
        names = ("in_at", "in_normal", "in_hold0", "in_hold1", "in_weight0", "in_weight1")
        self._resting = self._array(self._skin, [(self._buffer(resting), "3f 3f 4f 4f 4f 4f", *names)])
        index = self._keep(context.buffer(figure.faces.astype("i4").tobytes()))
        self._moved = self._keep(context.buffer(reserve=len(resting) * 6 * 4))
        dyed = self._buffer(np.concatenate([figure.colors, figure.vertices_m], axis=1))
        self._thrown = self._array(throw, [(self._moved, "3f 3x4", "in_at")], index)
        moved = (self._moved, "3f 3f", "in_at", "in_normal")
        self._person = self._array(lit, [moved, (dyed, "3f 3f", "in_color", "in_rest")], index)
        self._boxes = self._array(lit, [(self._buffer(_box_corners(room)), "3f 3f 3f 3f", *_CORNER)])
        colour = self._keep(context.renderbuffer(size_px, 3))
        self._canvas = self._keep(context.framebuffer([colour], self._keep(context.depth_renderbuffer(size_px))))
        self._around, self._empty = self._draw_room(camera)

    def _draw_room(self, camera: dict[str, Any]) -> tuple[Any, Any]:
        """Return the room as a texture and as something to copy from: it stands still, as the camera does.

        The texture's alpha says how much a shadow shows.
        """
        room = self._room
        uniforms = camera | {
            "floor_texture": 0, "wall_texture": 1, "tile": room.tile_m, "middle": tuple(room.middle_m),
            "half_size": tuple(room.half_m), "walls": (np.cos(room.turn_rad), np.sin(room.turn_rad)),
            "floor_m": room.floor_m, "ceiling_m": room.ceiling_m, "sky": room.sky, "ambient": room.ambient,
        }  # fmt: skip
        program = self._program(_SCREEN, _ROOM, uniforms)
        screen = self._array(program, [(self._buffer(_WHOLE_SCREEN), "2f", "in_at")])
        for place, image in enumerate((room.floor, room.wall)):
            self._texture(image).use(place)
        around = self._keep(self._context.texture(self._size, 4))
        canvas = self._keep(self._context.framebuffer([around]))
        canvas.use()
        self._context.disable(self._context.DEPTH_TEST)
        screen.render()
        return around, canvas

    def picture(self, rotation: Array, shift_m: Array) -> Image:
        """Return the picture (height, width, 3), RGB, of bones placed as in `seen_body.Placed`, of one moment."""
        real, dual = dual_quaternions(rotation, shift_m)
        self._skin["real"].write(real.astype("f4").tobytes())
        self._skin["dual"].write(dual.astype("f4").tobytes())
        context = self._context
        self._resting.transform(self._moved, context.POINTS)
        self._canvas.use()
        self._canvas.clear(depth=1.0)
        context.copy_framebuffer(self._canvas, self._empty)
        self._around.use(0)
        context.enable(context.DEPTH_TEST | context.BLEND)
        context.blend_func = context.ZERO, context.SRC_COLOR
        self._thrown.render()
        context.disable(context.BLEND)
        self._boxes.render()
        self._person.render()
        width, height = self._size
        pixels = self._canvas.read(components=3, alignment=1)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """Free what the driver holds."""
        for made in reversed(self._made):
            made.release()

    def _keep(self, made: Any) -> Any:
        self._made.append(made)
        return made

    def _program(self, vertex: str, fragment: str, uniforms: dict[str, Any]) -> Any:
        program = self._keep(self._context.program(vertex_shader=_HEAD + vertex, fragment_shader=_HEAD + fragment))
        for name, value in uniforms.items():
            if name in program:
                program[name] = value
        return program

    def _buffer(self, values: Array) -> Any:
        return self._keep(self._context.buffer(values.astype("f4").tobytes()))

    def _array(self, program: Any, content: list[Any], index: Any = None) -> Any:
        return self._keep(self._context.vertex_array(program, content, index))

    def _texture(self, image: Array) -> Any:
        pixels = np.round(255 * image).astype(np.uint8)
        texture = self._keep(self._context.texture(pixels.shape[1::-1], 3, pixels.tobytes(), alignment=1))
        texture.build_mipmaps()
        return texture


def open_context() -> Any:
    """Return a context of OpenGL without a window; raises what moderngl raises where there is none."""
    import moderngl

    return moderngl.create_context(standalone=True, backend="egl")


def dual_quaternions(rotation: Array, shift_m: Array) -> tuple[Array, Array]:
    """Return bones (bones, 3, 3), (bones, 3) as real and dual parts (bones, 4), x, y, z, w."""
    real = Rotation.from_matrix(rotation).as_quat()
    v, w = real[:, :3], real[:, 3:]
    dual = 0.5 * np.concatenate([w * shift_m + np.cross(shift_m, v), -(shift_m * v).sum(axis=1, keepdims=True)], axis=1)
    return real, dual


def _box_corners(room: Room) -> Array:
    """Return the corners of all triangles (corners, 12): place, normal, colour, and where the folds' noise is taken."""
    boxes = room.boxes
    if not len(boxes):  # nothing to draw is drawn as one triangle without area
        return np.zeros((3, 12))
    normals = np.cross(boxes[:, 1] - boxes[:, 0], boxes[:, 2] - boxes[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    places = boxes.reshape(-1, 3)
    corners: Array = np.concatenate(
        [places, normals.repeat(3, axis=0), room.box_colors.repeat(3, axis=0), 0.2 * places], axis=1
    )
    return corners


assert HOLDS == 8, "the shader's attributes take eight bones a vertex"
