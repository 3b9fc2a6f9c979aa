"""The shaders of the EGL renderer: which face a sample shows, and then where in that face its exact ray meets it.

Positions, rays and barycentrics are in double precision, as in `surface.py`, whose `_meet` `RESOLVE` follows line
by line. A tile's rows and columns are the photo's own (row 0 is its top): nothing is flipped.
"""

VIEW = """
#version 430
layout(std430, binding = 0) readonly buffer Vertices { double vertices[]; };
// Rows of the rotation from world to camera axes; the camera's centre in the world; focal lengths and principal point
// in samples; the farthest that any vertex can lie.
layout(std430, binding = 1) readonly buffer View { double rotation[9]; double centre[3]; double lens[4]; double far; };
uniform ivec2 tile_corner;
uniform ivec2 tile_size;

dvec3 row(int i) { return dvec3(rotation[3 * i], rotation[3 * i + 1], rotation[3 * i + 2]); }

// A vertex seen from the camera's centre, in world axes.
dvec3 seen(int i) {
    return dvec3(vertices[3 * i], vertices[3 * i + 1], vertices[3 * i + 2]) - dvec3(centre[0], centre[1], centre[2]);
}
"""

PROJECT = (
    VIEW
    + """
const double NEAR = 1e-6;

void main() {
    dvec3 p = seen(gl_VertexID);
    // In units of the farthest depth, so that w is the depth in [0, 1] whatever the scene's unit.
    dvec3 q = dvec3(dot(row(0), p), dot(row(1), p), dot(row(2), p)) / far;
    dvec2 at = dvec2(lens[0] * q.x, lens[1] * q.y) + (dvec2(lens[2], lens[3]) - dvec2(tile_corner)) * q.z;
    gl_Position = vec4(dvec4(2.0 * at / dvec2(tile_size) - q.z, q.z - 2.0 * NEAR, q.z));
}
"""
)

FACE = """
#version 430
layout(location = 0) out int face;

void main() {
    face = gl_PrimitiveID;
    // Linear depth: as fine far away as near by, which a perspective z is not.
    gl_FragDepth = 1.0 / gl_FragCoord.w;
}
"""

COVER = """
#version 430
void main() { gl_Position = vec4(4 * (gl_VertexID & 1) - 1, 2 * (gl_VertexID & 2) - 1, 0, 1); }
"""

NOTHING = """
#version 430
layout(location = 0) out int face;
void main() { face = -1; gl_FragDepth = 1.0; }
"""

RESOLVE = (
    VIEW
    + """
layout(local_size_x = 16, local_size_y = 16) in;
// Per face: three vertices, three uvs, and the faces across the edges opposite to them (-1: none).
layout(std430, binding = 2) readonly buffer Corners { int corners[]; };
layout(std430, binding = 3) readonly buffer UVs { double uvs[]; };
layout(std430, binding = 4) writeonly buffer Faces { int face_ids[]; };
layout(std430, binding = 5) writeonly buffer Fields { float fields[]; };
uniform isampler2D seen_faces;
uniform int samples;
uniform ivec2 photo_size;

const int HOPS = 6;
const double INSIDE = -1e-12;

struct Hit { dvec3 weights; dvec3 point; dvec3 normal; double along; };

// Unit ray through a point of the photo in samples, in camera axes, rounded as the ray caster's.
dvec3 ray(dvec2 at) {
    return dvec3(vec3(normalize(dvec3((at - dvec2(lens[2], lens[3])) / dvec2(lens[0], lens[1]), 1.0))));
}

dvec3 through(ivec2 pixel) { return ray((dvec2(pixel) + 0.5) * samples); }

// A central difference of the rays through pixel centres, one-sided at the photo's rim.
dvec3 slope(ivec2 pixel, ivec2 axis, int last) {
    int at = axis.x * pixel.x + axis.y * pixel.y;
    int back = at > 0 ? 1 : 0, ahead = at < last ? 1 : 0;
    return (through(pixel + ahead * axis) - through(pixel - back * axis)) / max(back + ahead, 1);
}

dvec3 vertex(int face, int k) { return seen(corners[9 * face + k]); }

dvec2 uv_of(int face, int k) {
    int i = corners[9 * face + 3 + k];
    return dvec2(uvs[2 * i], uvs[2 * i + 1]);
}

// The ray's hit with the plane of a face; weights below 0 where the ray passes the face by.
Hit meet(int face, dvec3 direction) {
    dvec3 a = vertex(face, 0), e1 = vertex(face, 1) - a, e2 = vertex(face, 2) - a;
    dvec3 normal = cross(e1, e2);
    double square = dot(normal, normal), along = dot(normal, direction);
    if (square == 0.0 || along == 0.0) return Hit(dvec3(-1.0), dvec3(0.0), dvec3(0.0), 0.0);
    dvec3 p = dot(normal, a) / along * direction - a;
    double wb = dot(normal, cross(p, e2)) / square, wc = dot(normal, cross(e1, p)) / square;
    return Hit(dvec3(1.0 - wb - wc, wb, wc), a, normal, along);
}

void main() {
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (at.x >= tile_size.x || at.y >= tile_size.y) return;
    int count = tile_size.x * tile_size.y, index = at.y * tile_size.x + at.x;
    int first = texelFetch(seen_faces, at, 0).x;
    ivec2 place = tile_corner + at;
    dvec3 camera_ray = ray(dvec2(place) + 0.5);
    dvec3 direction = camera_ray.x * row(0) + camera_ray.y * row(1) + camera_ray.z * row(2);

    // Rasterisers snap vertices to a grid of 1/256 sample, so the face may be a neighbour of the one that the ray
    // meets: walk across the edge that it passes, until a face holds it. Where none does, it is the first one's rim.
    int face = first;
    Hit hit = Hit(dvec3(-1.0), dvec3(0.0), dvec3(0.0), 0.0);
    if (face >= 0) hit = meet(face, direction);
    Hit first_hit = hit;
    bool held = false;
    for (int hop = 0; hop < HOPS && face >= 0; ++hop) {
        dvec3 w = hit.weights;
        if (min(w.x, min(w.y, w.z)) >= INSIDE) { held = true; break; }
        int k = w.x <= w.y && w.x <= w.z ? 0 : (w.y <= w.z ? 1 : 2);
        face = corners[9 * face + 6 + k];
        if (face >= 0) hit = meet(face, direction);
    }
    if (!held) { face = first; hit = first_hit; }
    if (face >= 0 && hit.along == 0.0) face = -1;
    face_ids[index] = face;
    if (face < 0) {
        for (int k = 0; k < 5; ++k) fields[k < 2 ? 2 * index + k : k * count + index] = 0.0;
        return;
    }

    double wb = max(hit.weights.y, 0.0), wc = max(hit.weights.z, 0.0), total = max(wb + wc, 1.0);
    wb /= total; wc /= total;
    dvec3 a = vertex(face, 0), e1 = vertex(face, 1) - a, e2 = vertex(face, 2) - a;
    dvec2 ua = uv_of(face, 0), ub = uv_of(face, 1), uc = uv_of(face, 2);
    dvec2 uv = (1.0 - wb - wc) * ua + wb * ub + wc * uc;
    double distance = dot(direction, a + wb * e1 + wc * e2);
    double area = length(hit.normal), cosine = -hit.along / area;
    double uv_area = abs((ub.x - ua.x) * (uc.y - ua.y) - (ub.y - ua.y) * (uc.x - ua.x));
    ivec2 pixel = place / samples;
    dvec3 across = slope(pixel, ivec2(1, 0), photo_size.x - 1), down = slope(pixel, ivec2(0, 1), photo_size.y - 1);
    double solid = length(cross(across, down));
    fields[2 * index] = float(uv.x);
    fields[2 * index + 1] = float(uv.y);
    fields[2 * count + index] = float(distance);
    fields[3 * count + index] = float(cosine);
    fields[4 * count + index] = float(distance * sqrt(solid / max(abs(cosine), 1e-3) * (uv_area / area)));
}
"""
)
"""`fields` holds five planes of a tile: uv (interleaved), distance, cosine, footprint."""
